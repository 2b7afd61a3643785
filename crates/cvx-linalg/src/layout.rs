//! How the blocks of the unknowns lie in the columns of a matrix.

/// Which blocks a pattern and a target have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// Two: u^+ and u^-, for neurons whose second layer is positive and negative.
    Both,
    /// One: u^+ for the first `positive` patterns, u^- for the others. Where no cone tells the two apart, u^+ - u^- is
    /// all that matters, and one positive block stands for both.
    Each {
        /// Number of patterns with a positive block.
        positive: usize,
    },
}

impl Signs {
    /// Blocks per pattern and target: 2 or 1.
    pub fn count(self) -> usize {
        match self {
            Signs::Both => 2,
            Signs::Each { .. } => 1,
        }
    }
}

/// The columns of a matrix of blocks (docs/math.md, section 1): for each target, P columns of sign + and then P columns
/// of sign -, or P columns with a sign [each](Signs::Each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    /// P.
    pub patterns: usize,
    /// C.
    pub targets: usize,
    /// Blocks per pattern and target.
    pub signs: Signs,
}

impl BlockLayout {
    /// Blocks of both signs.
    pub fn both(patterns: usize, targets: usize) -> Self {
        BlockLayout { patterns, targets, signs: Signs::Both }
    }

    /// One positive block per pattern and target.
    pub fn one(patterns: usize, targets: usize) -> Self {
        BlockLayout { patterns, targets, signs: Signs::Each { positive: patterns } }
    }

    /// The same patterns and targets with one positive block each: the layout of what the blocks of a pattern share.
    pub fn halved(self) -> Self {
        BlockLayout::one(self.patterns, self.targets)
    }

    /// Number of blocks: 2PC or PC.
    pub fn columns(self) -> usize {
        self.signs.count() * self.pairs()
    }

    /// Number of patterns of all targets: PC.
    pub fn pairs(self) -> usize {
        self.patterns * self.targets
    }

    /// Blocks of a target: 2P or P.
    pub fn per_target(self) -> usize {
        self.signs.count() * self.patterns
    }

    /// The pattern of the block in column `j`.
    pub fn pattern(self, j: usize) -> usize {
        j % self.patterns
    }

    /// The target of the block in column `j`.
    pub fn target(self, j: usize) -> usize {
        j / self.per_target()
    }

    /// The column of the block of this target, pattern and sign; of the only one of a pattern, whatever its sign.
    pub fn column(self, target: usize, pattern: usize, negative: bool) -> usize {
        let run = if self.signs == Signs::Both && negative { self.patterns } else { 0 };
        target * self.per_target() + run + pattern
    }

    /// Whether the block in column `j` counts with the sign -.
    pub fn is_negative(self, j: usize) -> bool {
        match self.signs {
            Signs::Both => j / self.patterns % 2 == 1,
            Signs::Each { positive } => self.pattern(j) >= positive,
        }
    }

    /// The sign of the block in column `j`: 1 or -1.
    pub fn sign(self, j: usize) -> f64 {
        if self.is_negative(j) { -1.0 } else { 1.0 }
    }
}
