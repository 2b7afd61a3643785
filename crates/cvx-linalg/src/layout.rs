//! How the blocks of the unknowns lie in the columns of a matrix.

/// How many blocks a pattern and a target have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// Two: u^+ and u^-, for neurons whose second layer is positive and negative.
    Both,
    /// One, that stands for both: where no cone tells them apart, u^+ - u^- is all that matters.
    One,
}

impl Signs {
    /// 2 or 1.
    pub fn count(self) -> usize {
        match self {
            Signs::Both => 2,
            Signs::One => 1,
        }
    }
}

/// The columns of a matrix of blocks (docs/math.md, section 1): for each target, P columns of sign + and then, where
/// there are [both](Signs::Both), P columns of sign -.
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

    /// One block per pattern and target.
    pub fn one(patterns: usize, targets: usize) -> Self {
        BlockLayout { patterns, targets, signs: Signs::One }
    }

    /// The same patterns and targets with one block each: the layout of the differences u^+ - u^-.
    pub fn one_sign(self) -> Self {
        BlockLayout { signs: Signs::One, ..self }
    }

    /// Number of blocks: 2PC or PC.
    pub fn columns(self) -> usize {
        self.signs.count() * self.pairs()
    }

    /// Number of blocks of one sign: PC. Without cones it is the number of [columns](BlockLayout::columns).
    pub fn pairs(self) -> usize {
        self.patterns * self.targets
    }
}
