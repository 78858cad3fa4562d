//! Intel AMX. Its intrinsics are not stable in Rust, so the instructions stand here as assembly.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::OnceLock;

use super::Line;

/// Whether the processor has AMX with bfloat16 and the operating system lets this process use it.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        const AMX_BF16: u32 = 1 << 22;
        const AMX_TILE: u32 = 1 << 24;
        /// Configuration and data of tiles among the saved state.
        const TILE_STATE: u64 = 0b11 << 17;
        let features = __cpuid_count(7, 0).edx;
        if features & (AMX_BF16 | AMX_TILE) != AMX_BF16 | AMX_TILE {
            return false;
        }
        // SAFETY: a processor with AVX-512, which the caller has found, has XGETBV and saves extended state.
        let saved = unsafe { saved_state() };
        saved & TILE_STATE == TILE_STATE && ask_permission()
    })
}

/// XCR0.
///
/// # Safety
/// The processor has XSAVE, enabled by the operating system.
#[target_feature(enable = "xsave")]
unsafe fn saved_state() -> u64 {
    // SAFETY: as the caller promises.
    unsafe { _xgetbv(0) }
}

/// Linux gives a process the tiles' large state only on request (`arch_prctl(2)`, `ARCH_REQ_XCOMP_PERM`).
#[cfg(target_os = "linux")]
fn ask_permission() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    // SAFETY: the system call takes two numbers and touches no memory of this process; `syscall` overwrites rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Elsewhere no way is known, and AVX-512 is used.
#[cfg(not(target_os = "linux"))]
fn ask_permission() -> bool {
    false
}

/// While it lives, the thread's eight tiles are 16 rows of 64 bytes.
pub(super) struct Tiles(());

/// Palette 1: bytes a row from offset 16, rows from offset 48, for each of eight tiles.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Configuration(bytes)
};

impl Tiles {
    /// Only after [`is_available`] said so.
    pub(super) fn configure() -> Self {
        assert!(is_available(), "the unit was chosen because it is available");
        // SAFETY: the instruction exists, and reads the 64 bytes of a valid configuration.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly, preserves_flags));
        }
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: AMX is available, or there were no such value.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
    }
}

/// `c = left right` or `c += left right`: two by two tiles of sums over all blocks.
///
/// # Safety
/// A [`Tiles`] lives on this thread. `left` and `right` have equally many blocks. `c` is the start of 32 rows of
/// 32 values, `stride` apart, that nothing else uses meanwhile.
pub(super) unsafe fn block(left: Line<'_>, right: Line<'_>, adds: bool, c: *mut f32, stride: usize) {
    // SAFETY: tiles are loaded from the two tiles of each of the lines' blocks, and sums from and to
    // 16 rows of 64 bytes at the four quarters of `c`, as the caller promises.
    unsafe {
        let below = c.add(16 * stride);
        asm!(
            "test {adds:e}, {adds:e}",
            "jnz 3f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 2f",
            "3:",
            "tileloadd tmm0, [{c} + {stride}]",
            "tileloadd tmm1, [{c} + {stride} + 64]",
            "tileloadd tmm2, [{below} + {stride}]",
            "tileloadd tmm3, [{below} + {stride} + 64]",
            "2:",
            "tileloadd tmm4, [{left} + {row}]",
            "tileloadd tmm6, [{right} + {row}]",
            "tileloadd tmm7, [{right} + {row} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{left} + {row} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left}, {left_step}",
            "add {right}, {right_step}",
            "dec {blocks}",
            "jnz 2b",
            "tilestored [{c} + {stride}], tmm0",
            "tilestored [{c} + {stride} + 64], tmm1",
            "tilestored [{below} + {stride}], tmm2",
            "tilestored [{below} + {stride} + 64], tmm3",
            adds = in(reg) u32::from(adds),
            c = in(reg) c,
            below = in(reg) below,
            stride = in(reg) stride * size_of::<f32>(),
            row = in(reg) 64_usize,
            left = inout(reg) left.values.as_ptr() => _,
            right = inout(reg) right.values.as_ptr() => _,
            left_step = in(reg) left.step * size_of::<u16>(),
            right_step = in(reg) right.step * size_of::<u16>(),
            blocks = inout(reg) left.count => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
