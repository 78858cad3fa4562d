//! The most memory that this process has held.

use fs_err as fs;

/// Bytes resident at once at most since the process began (`VmHWM` of `/proc/self/status`); none where the system does
/// not tell so.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
