//! How kernels are launched: grids, and the call itself.

use cudarc::driver::LaunchConfig;

/// Threads of a one-dimensional block: `THREADS` of common.cuh.
const THREADS: u32 = 256;

/// Side of a tile, and rows of threads that share it: `TILE` and `TILE_STEP` of common.cuh.
const TILE: (u32, u32) = (32, 8);

/// Blocks of a pass over a whole matrix, at most: enough to fill any GPU, few enough to sum over.
const BLOCKS: u32 = 2048;

fn config(grid: (u32, u32, u32), block: (u32, u32, u32)) -> LaunchConfig {
    LaunchConfig { grid_dim: grid, block_dim: block, shared_mem_bytes: 0 }
}

/// `count` as a dimension of a grid.
fn dimension(count: usize, limit: u32) -> u32 {
    u32::try_from(count).unwrap_or(limit).min(limit)
}

/// A pass over `count` entries.
pub(super) fn over_entries(count: usize) -> LaunchConfig {
    config((dimension(count.div_ceil(THREADS as usize), BLOCKS), 1, 1), (THREADS, 1, 1))
}

/// A block to each of `count` columns.
pub(super) fn over_columns(count: usize) -> LaunchConfig {
    config((dimension(count, i32::MAX as u32), 1, 1), (THREADS, 1, 1))
}

/// A pass over block columns: rows, then patterns, then blocks, with about [`BLOCKS`] blocks of threads.
pub(super) fn over_blocks(rows: usize, patterns: usize, blocks: usize) -> LaunchConfig {
    let x = dimension(rows.div_ceil(THREADS as usize), BLOCKS);
    let z = dimension(blocks, 64);
    let y = dimension(patterns, (BLOCKS / (x * z).max(1)).max(1));
    config((x, y, z), (THREADS, 1, 1))
}

/// A tile of rows to each column of blocks, with the rows of threads taking turns.
pub(super) fn over_row_tiles(rows: usize, columns: usize) -> LaunchConfig {
    config((dimension(rows.div_ceil(TILE.0 as usize), i32::MAX as u32), columns as u32, 1), (TILE.0, TILE.1, 1))
}

/// A block to each square tile.
pub(super) fn over_tiles(rows: usize, columns: usize) -> LaunchConfig {
    over_row_tiles(rows, columns.div_ceil(TILE.0 as usize))
}

/// Number of blocks of a launch.
pub(super) fn blocks(config: &LaunchConfig) -> usize {
    let (x, y, z) = config.grid_dim;
    x as usize * y as usize * z as usize
}

/// Launches a kernel for one precision with the given arguments; on a grid of nothing, does nothing.
///
/// The arguments have to be those that the kernel declares: `&u64`, `&u32` and `&f64` for numbers; for pointers,
/// `&CudaSlice` or `&mut CudaSlice` (or their views), or the address of memory that the caller holds.
macro_rules! launch {
    ($device:expr, $kernel:expr, $scalar:ty, $grid:expr, $($argument:expr),+ $(,)?) => {{
        use cudarc::driver::PushKernelArg;
        let (device, kernel, grid): (&crate::cuda::device::Device, _, _) = ($device, $kernel, $grid);
        if $crate::cuda::launch::blocks(&grid) == 0 {
            Ok(())
        } else {
            let mut builder = device.stream.launch_builder(device.function::<$scalar>(kernel));
            $(builder.arg($argument);)+
            // SAFETY: the arguments are those that the kernel declares; the operations check the shapes, and the
            // kernels stay within the counts that they are given. The tests run every kernel under memory guards.
            match unsafe { builder.launch(grid) } {
                Ok(_) => Ok(()),
                Err(error) => Err($crate::cuda::device::failure(kernel.name(), error)),
            }
        }
    }};
}
pub(super) use launch;
