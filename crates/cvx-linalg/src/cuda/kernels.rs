//! The kernels by name, and how they are launched.

use cudarc::driver::LaunchConfig;

/// All kernels, as `cargo xtask build-cuda` compiled them.
pub(super) const PTX: &str = include_str!("../../kernels/generated/kernels.ptx");

/// Threads of a one-dimensional block: `THREADS` of common.cuh.
pub(super) const THREADS: u32 = 256;

/// Side of a tile, and rows of threads that share it: `TILE` and `TILE_STEP` of common.cuh.
const TILE: (u32, u32) = (32, 8);

/// Blocks of a pass over a whole matrix, at most: enough to fill any GPU, few enough to sum over.
const BLOCKS: u32 = 2048;

macro_rules! kernels {
    ($($kernel:ident $name:literal),* $(,)?) => {
        /// A kernel of kernels/*.cuh.
        #[derive(Clone, Copy)]
        pub(super) enum Kernel { $($kernel),* }

        /// Every kernel, in the order of its number.
        pub(super) const KERNELS: &[Kernel] = &[$(Kernel::$kernel),*];

        impl Kernel {
            /// Its name in the sources, without the precision.
            pub(super) fn name(&self) -> &'static str {
                match self { $(Kernel::$kernel => $name),* }
            }
        }
    };
}

kernels! {
    Widen "widen", Narrow "narrow",
    Scale "scale", Axpby "axpby", Hadamard "hadamard", DotPartials "dot_partials", SumPartials "sum_partials",
    ColumnNorms "column_norms", ScaleColumns "scale_columns", ShiftDiagonal "shift_diagonal",
    CopyLower "copy_lower", CheckPivots "check_pivots", Identity "identity", ShiftedLower "shifted_lower",
    GatherColumns "gather_columns", Gate "gate", AdamStep "adam_step",
    MaskedRowSum "masked_row_sum", MaskedBroadcast "masked_broadcast", SignFlip "sign_flip", AddPairs "add_pairs",
    Coactivate "coactivate",
    PositivePart "positive_part", GroupSoftThreshold "group_soft_threshold", SlackStep "slack_step",
}

impl Kernel {
    /// The two entries of the PTX: for `f32`, for `f64`. A kernel of f64 alone has one.
    pub(super) fn entries(&self) -> [String; 2] {
        let name = self.name();
        match self {
            Kernel::SumPartials => [name.to_string(), name.to_string()],
            _ => [format!("{name}_f32"), format!("{name}_f64")],
        }
    }
}

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
/// The arguments have to be those that the kernel declares: `&u64` and `&f64` for numbers, `&CudaSlice` or `&mut
/// CudaSlice` (or their views) for pointers.
macro_rules! launch {
    ($device:expr, $kernel:expr, $scalar:ty, $grid:expr, $($argument:expr),+ $(,)?) => {{
        use cudarc::driver::PushKernelArg;
        let (device, kernel, grid): (&crate::cuda::device::Device, _, _) = ($device, $kernel, $grid);
        if $crate::cuda::kernels::blocks(&grid) == 0 {
            Ok(())
        } else {
            let mut builder = device.stream.launch_builder(device.function::<$scalar>(kernel));
            $(builder.arg($argument);)+
            // SAFETY: the verbs check the shapes, the kernels stay within the counts that they are given, and the tests
            // run every launch under memory guards.
            match unsafe { builder.launch(grid) } {
                Ok(_) => Ok(()),
                Err(error) => Err($crate::cuda::device::failure(kernel.name(), error)),
            }
        }
    }};
}
pub(super) use launch;
