//! The kernels by name.

/// All kernels, as `cargo xtask build-cuda` compiled them.
pub(super) const PTX: &str = include_str!("../../kernels/generated/kernels.ptx");

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
    Widen "widen", Narrow "narrow", Fill "fill", GatherColumns "gather_columns",
    MoveRows "move_rows",
    StoreHalf "store_half", LoadHalf "load_half",
    Scale "scale", Axpby "axpby", Hadamard "hadamard", DotPartials "dot_partials", SumPartials "sum_partials",
    ColumnNorms "column_norms", ScaleColumns "scale_columns", ShiftDiagonal "shift_diagonal",
    CopyLower "copy_lower", CheckPivots "check_pivots", Identity "identity", ShiftedLower "shifted_lower",
    MaskedRowSum "masked_row_sum", MaskedBroadcast "masked_broadcast", SignFlip "sign_flip", AddPairs "add_pairs",
    Coactivate "coactivate",
    PatchColumns "patch_columns", PatchSums "patch_sums",
    PositivePart "positive_part", GroupSoftThreshold "group_soft_threshold", KeepSigns "keep_signs",
    SlackStep "slack_step", JointSteps "joint_steps",
    Gate "gate", AdamStep "adam_step",
}

impl Kernel {
    /// The two entries of the PTX: for `f32`, for `f64`. A kernel of f64 alone has one.
    pub(super) fn entries(&self) -> [String; 2] {
        let name = self.name();
        match self {
            Kernel::SumPartials | Kernel::PatchColumns => [name.to_string(), name.to_string()],
            _ => [format!("{name}_f32"), format!("{name}_f64")],
        }
    }
}
