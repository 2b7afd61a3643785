//! The CUDA back end: every operation, on the first GPU.
//!
//! Without one the tests say so and pass; with `CVX_REQUIRE_CUDA=1` they fail. `cargo xtask cuda-stand-in` builds
//! libraries that stand in for a GPU.

#![cfg(feature = "cuda")]

use cvx_linalg::{Cuda, LinalgError, conformance};

/// The first GPU; `None`, which is said, where there is none.
fn cuda() -> Option<Cuda<f32>> {
    match Cuda::new(0) {
        Ok(cuda) => Some(cuda),
        Err(error) if std::env::var_os("CVX_REQUIRE_CUDA").is_some() => panic!("CVX_REQUIRE_CUDA is set, and {error}"),
        Err(error) => {
            conformance::skip(&error);
            None
        }
    }
}

cvx_linalg::conformance_tests!(cuda_f32, optional cuda());
cvx_linalg::conformance_tests!(cuda_f64, optional cuda().map(|cuda| cvx_linalg::Backend::wide(&cuda)));

/// an ordinal beyond the last is an error with the number of devices.
#[test]
fn e5_a_wrong_ordinal_is_an_error() {
    match (Cuda::<f32>::count(), Cuda::<f64>::new(99).err()) {
        (Ok(found), Some(LinalgError::NoSuchDevice { ordinal: 99, count })) => assert_eq!(found, count),
        (Err(LinalgError::NoDriver), Some(LinalgError::NoDriver)) => {}
        (count, error) => panic!("{count:?}, {error:?}"),
    }
}

/// what does not fit is refused with its bytes, and the device goes on.
#[test]
fn e5_out_of_memory_is_an_error_with_its_bytes() {
    use cvx_linalg::Backend;
    let Some(cuda) = cuda() else { return };
    let total = cuda.memory_info().total;
    let rows = (total / 4) as usize;
    let error = cuda.zeros(rows, 2).err();
    match error {
        Some(LinalgError::DeviceMemory { needed, free }) => assert!(needed >= 2 * total - 8 && free <= total),
        other => panic!("{other:?}"),
    }
    assert!(cuda.zeros(usize::MAX, 2).is_err());
    conformance::scale(&cuda);
}
