//! Products at the shapes of a training step, and row-wise primitives: `cargo bench -p kernels`, on one thread.

use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Precision, Threads};
use ndarray::{Array2, ArrayView2};

/// (rows, inner size, columns): queries, keys and values; gates; the way back from them; a weight's gradient; one head's
/// scores.
const SHAPES: [[usize; 3]; 5] =
    [[512, 256, 512], [512, 256, 768], [512, 768, 256], [768, 512, 256], [64, 64, 256]];

fn matrix(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(r, c)| ((r * 31 + c * 17) as f32 * 0.37).sin())
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for [m, k, n] in SHAPES {
        group.throughput(Throughput::Elements((2 * m * k * n) as u64));
        let (a, b, at, bt) = (matrix(m, k), matrix(k, n), matrix(k, m), matrix(n, k));
        let forms: [(&str, ArrayView2<'_, f32>, ArrayView2<'_, f32>); 3] =
            [("A B", a.view(), b.view()), ("A Bt", a.view(), bt.t()), ("At B", at.t(), b.view())];
        for (form, a, b) in forms {
            for precision in [Precision::F32, Precision::Bf16] {
                let name = BenchmarkId::new(format!("{precision:?} {form}"), format!("{m}x{k}x{n}"));
                let mut c = Array2::zeros((m, n));
                group.bench_function(name, |bencher| {
                    bencher.iter(|| precision.product(a, b, 1.0, 0.0, c.view_mut(), Threads::One));
                });
            }
        }
    }
}

fn rows(criterion: &mut Criterion) {
    const WIDTH: usize = 256;
    const ROWS: usize = 64;
    let (x, weight) = (matrix(ROWS, WIDTH).into_raw_vec_and_offset().0, vec![1.0; WIDTH]);
    let other = matrix(WIDTH, ROWS).into_raw_vec_and_offset().0;
    let mut y = vec![0.0; x.len()];
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(x.len() as u64));
    let mut bench = |name: &str, run: &mut dyn FnMut(&mut [f32])| {
        group.bench_function(name, |bencher: &mut Bencher<'_>| bencher.iter(|| run(&mut y)));
    };
    let mut scales = vec![0.0; ROWS];
    bench("rms_norm", &mut |y| kernels::rms_norm(&x, &weight, 1e-6, y, &mut scales));
    bench("silu_mul", &mut |y| kernels::silu_mul(&x, &other, y));
    bench("softmax", &mut |y| {
        y.copy_from_slice(&x);
        for row in y.chunks_exact_mut(WIDTH) {
            kernels::softmax(row);
        }
    });
    bench("add_exponentials", &mut |_| {
        for row in x.chunks_exact(WIDTH) {
            std::hint::black_box(kernels::add_exponentials(f32::NEG_INFINITY, 0.0, row));
        }
    });
    bench("add", &mut |y| kernels::add(y, &x));
}

criterion_group!(benches, products, rows);
criterion_main!(benches);
