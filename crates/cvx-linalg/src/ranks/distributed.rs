//! A back end whose training samples are spread over ranks, on any other back end.

use super::spread::Layout::{Columns, Rows, Whole};
use super::spread::{Layout, Spread, alike};
use super::sums::SampleSums;
use super::world::Ranks;
use crate::backend::{Backend, ConesOf, Half, MemoryInfo, Shape, SlackNorms, Transpose};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::BlockLayout;
use crate::mask::BitMask;
use crate::patches::PatchPlan;
use crate::sample_source::SampleSource;
use crate::soft_cones::SoftCones;
use crate::stop::StopToken;
use std::ops::Range;
use std::sync::Arc;

/// Another back end with a part of the training samples.
///
/// Matrices with a row or a column for each training sample are in shards; all others are whole: the same on every
/// rank, or of some samples of one rank, such as the tiles of [`Samples`](crate::Samples). With one shard every matrix
/// is whole. Operations within a sample are those of the other back end on each shard. Those over samples (products
/// with X', norms, the slack step) are summed over the shards of all ranks in one order. What needs all samples in one
/// place (factors of n x n, features of patches) is [`LinalgError::Spread`].
#[derive(Clone)]
pub struct Distributed<B> {
    inner: B,
    ranks: Arc<Ranks>,
    samples: SampleSums,
    stop: StopToken,
}

impl<B: Backend> Distributed<B> {
    /// The samples of this rank on `inner`, whose own token should never be raised: ranks stop together, at a sum. The
    /// run ends on all ranks where `wanted` asks for it on one.
    pub fn new(inner: B, ranks: Arc<Ranks>, wanted: StopToken) -> Self {
        let stop = ranks.begin(wanted);
        Distributed { inner, samples: SampleSums::of_rank(ranks.clone()), ranks, stop }
    }

    /// What `part` makes of the samples of each shard of this rank, counted from its own first; of all at once if they
    /// are one shard.
    fn spread<M>(
        &self,
        layout: fn(Vec<M>) -> Spread<M>,
        part: impl FnMut(Range<usize>) -> Result<M, LinalgError>,
    ) -> Result<Spread<M>, LinalgError> {
        let mut parts = self.shards().into_iter().map(part).collect::<Result<Vec<M>, _>>()?;
        match parts.pop() {
            Some(only) if self.samples.is_one() => Ok(Spread::Whole(only)),
            last => Ok(layout(parts.into_iter().chain(last).collect())),
        }
    }

    /// c = beta c + the sum over all shards of what `part` writes, each in the shape of c.
    fn reduce(
        &self,
        beta: f64,
        c: &mut B::Matrix,
        mut part: impl FnMut(usize, &mut B::Matrix) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        let mut scratch = self.inner.zeros(c.rows(), c.cols())?;
        let total = self.ranks.try_sum(c.rows() * c.cols(), |shard| {
            part(shard, &mut scratch)?;
            Ok(self.inner.download(&scratch)?.into_values())
        })?;
        let total = self.inner.upload(&HostMatrix::from_vec(c.rows(), c.cols(), total))?;
        if beta == 0.0 {
            *c = total;
            return Ok(());
        }
        self.inner.axpby(1.0, &total, beta, c)
    }

    /// An error of one rank, with its place among all samples, becomes one of all.
    fn agreed<T>(&self, here: Result<T, LinalgError>, by_row: bool) -> Result<T, LinalgError> {
        let first = self.ranks.own().start;
        let place = match &here {
            Err(LinalgError::NonFinite { row, column, .. }) if by_row => Some([first + row, *column]),
            Err(LinalgError::NonFinite { row, column, .. }) => Some([*row, first + column]),
            _ => None,
        };
        let place = self.samples.first_place(place);
        self.ranks.check()?;
        let value = match here {
            Err(LinalgError::NonFinite { .. }) => None,
            other => Some(other?),
        };
        match place {
            Some([row, column]) => Err(LinalgError::NonFinite { row, column, precision: self.inner.precision() }),
            None => value.ok_or(LinalgError::Spread { operation: "upload" }),
        }
    }

    fn shards(&self) -> Vec<Range<usize>> {
        self.ranks.own_shards().collect()
    }

    /// The shard of this rank with these samples, by its number here, and the place of the first of them in it.
    fn shard_of(&self, operation: &'static str, first: usize, count: usize) -> Result<(usize, usize), LinalgError> {
        let holds = |samples: &Range<usize>| samples.contains(&first) && first + count <= samples.end;
        let shards = self.shards();
        let found = shards.iter().position(holds).ok_or(LinalgError::Spread { operation })?;
        Ok((found, first - shards[found].start))
    }

    /// Each entry of columns of samples begins at a whole column of every shard.
    fn column_of(&self, operation: &'static str, layout: Layout, first: usize) -> Result<Option<usize>, LinalgError> {
        let own = self.ranks.own().len();
        match layout {
            Whole => Ok(None),
            Rows if first.is_multiple_of(own) => Ok(Some(first / own)),
            _ => Err(LinalgError::Spread { operation }),
        }
    }
}

type Done = Result<(), LinalgError>;

impl<B: Backend> Backend for Distributed<B> {
    type Matrix = Spread<B::Matrix>;
    type HalfMatrix = B::HalfMatrix;
    type Mask = Spread<B::Mask>;
    type Wide = Distributed<B::Wide>;

    fn device(&self) -> &'static str {
        self.inner.device()
    }
    fn describe(&self) -> String {
        format!("{}, {} ranks", self.inner.describe(), self.ranks.size())
    }
    fn precision(&self) -> &'static str {
        self.inner.precision()
    }
    fn scalar_bytes(&self) -> usize {
        self.inner.scalar_bytes()
    }
    fn wide(&self) -> Self::Wide {
        Distributed {
            inner: self.inner.wide(),
            ranks: self.ranks.clone(),
            samples: self.samples.clone(),
            stop: self.stop.clone(),
        }
    }
    fn stop(&self) -> &StopToken {
        &self.stop
    }
    fn synchronize(&self) -> Done {
        self.inner.synchronize()
    }
    /// The share of this rank, where several share a machine.
    fn memory_info(&self) -> MemoryInfo {
        let MemoryInfo { total, free } = self.inner.memory_info();
        let neighbours = self.ranks.neighbours() as u64;
        MemoryInfo { total: total / neighbours, free: free / neighbours }
    }
    fn samples(&self) -> &SampleSums {
        &self.samples
    }
    fn over(&self, samples: &SampleSums) -> Self {
        let Some(ranks) = samples.ranks() else { return self.clone() };
        Distributed { ranks: ranks.clone(), samples: samples.clone(), ..self.clone() }
    }

    fn zeros(&self, rows: usize, cols: usize) -> Result<Self::Matrix, LinalgError> {
        Ok(Spread::Whole(self.inner.zeros(rows, cols)?))
    }
    fn zeros_like(&self, like: &Self::Matrix) -> Result<Self::Matrix, LinalgError> {
        like.map(|part| self.inner.zeros_like(part))
    }
    fn zero_rows(&self, xt: &Self::Matrix, cols: usize) -> Result<Self::Matrix, LinalgError> {
        match xt {
            Spread::Whole(whole) => Ok(Spread::Whole(self.inner.zero_rows(whole, cols)?)),
            Spread::Columns(parts) => {
                Ok(Spread::Rows(parts.iter().map(|part| self.inner.zero_rows(part, cols)).collect::<Result<_, _>>()?))
            }
            Spread::Rows(_) => Err(LinalgError::Spread { operation: "zero_rows" }),
        }
    }
    fn upload(&self, host: &HostMatrix) -> Result<Self::Matrix, LinalgError> {
        Ok(Spread::Whole(self.inner.upload(host)?))
    }
    fn sample_rows(&self, n: usize, cols: usize) -> Result<Self::Matrix, LinalgError> {
        self.samples.check_rows("sample_rows", n)?;
        self.spread(Spread::Rows, |samples| self.inner.zeros(samples.len(), cols))
    }
    fn sample_columns(&self, rows: usize, n: usize) -> Result<Self::Matrix, LinalgError> {
        self.samples.check_rows("sample_columns", n)?;
        self.spread(Spread::Columns, |samples| self.inner.zeros(rows, samples.len()))
    }
    fn load_columns(&self, source: &dyn SampleSource) -> Result<Self::Matrix, LinalgError> {
        self.samples.check_rows("load_columns", source.n_samples())?;
        let columns = self.spread(Spread::Columns, |samples| {
            let mut part = self.inner.zeros(source.n_features(), samples.len())?;
            self.inner.load_samples(source, samples.start, &mut part)?;
            Ok(part)
        });
        self.agreed(columns, false)
    }
    fn upload_rows(&self, host: &HostMatrix) -> Result<Self::Matrix, LinalgError> {
        self.samples.check_rows("upload_rows", host.rows())?;
        let part = |rows: Range<usize>| {
            let values = (0..host.cols()).flat_map(|j| &host.col(j)[rows.clone()]).copied().collect();
            let place = |error| below(error, rows.start);
            self.inner.upload(&HostMatrix::from_vec(rows.len(), host.cols(), values)).map_err(place)
        };
        self.agreed(self.spread(Spread::Rows, part), true)
    }
    fn upload_like(&self, host: &HostMatrix, like: &Self::Matrix) -> Result<Self::Matrix, LinalgError> {
        match like.layout() {
            Whole => self.upload(host),
            Rows => self.upload_rows(host),
            Columns => Err(LinalgError::Spread { operation: "upload_like" }),
        }
    }
    /// The rows or columns of this rank.
    fn download(&self, matrix: &Self::Matrix) -> Result<HostMatrix, LinalgError> {
        let parts: Vec<HostMatrix> =
            matrix.parts().iter().map(|part| self.inner.download(part)).collect::<Result<_, _>>()?;
        let values = match matrix {
            Spread::Rows(_) => {
                (0..matrix.cols()).flat_map(|j| parts.iter().flat_map(move |part| part.col(j))).copied().collect()
            }
            _ => parts.iter().flat_map(HostMatrix::values).copied().collect(),
        };
        Ok(HostMatrix::from_vec(matrix.rows(), matrix.cols(), values))
    }
    fn collect(&self, matrix: &Self::Matrix) -> Result<HostMatrix, LinalgError> {
        let here = self.download(matrix)?;
        if matrix.layout() == Rows { Ok(self.samples.collect(here)?) } else { Ok(here) }
    }
    fn total_rows(&self, matrix: &Self::Matrix) -> usize {
        if matrix.layout() == Rows { self.ranks.shards().n_samples() } else { matrix.rows() }
    }
    fn upload_mask(&self, mask: &BitMask) -> Result<Self::Mask, LinalgError> {
        Ok(Spread::Whole(self.inner.upload_mask(mask)?))
    }
    fn upload_row_mask(&self, mask: &BitMask) -> Result<Self::Mask, LinalgError> {
        self.samples.check_rows("upload_row_mask", mask.rows())?;
        self.spread(Spread::Rows, |rows| self.inner.upload_mask(&mask.row_range(rows.start, rows.len())))
    }
    fn fill(&self, value: f64, x: &mut Self::Matrix) -> Done {
        x.parts_mut().iter_mut().try_for_each(|x| self.inner.fill(value, x))
    }
    fn copy(&self, source: &Self::Matrix, out: &mut Self::Matrix) -> Done {
        alike("copy", &[source.layout(), out.layout()])?;
        source.parts().iter().zip(out.parts_mut()).try_for_each(|(source, out)| self.inner.copy(source, out))
    }
    fn read_part(&self, source: &Self::Matrix, first: usize, out: &mut Self::Matrix) -> Done {
        alike("read_part", &[source.layout(), out.layout()])?;
        let column = self.column_of("read_part", source.layout(), first)?;
        source.parts().iter().zip(out.parts_mut()).try_for_each(|(source, out)| {
            self.inner.read_part(source, column.map_or(first, |column| column * source.rows()), out)
        })
    }
    /// Also a part of whole columns of this rank, or of one column of rows, within a shard.
    fn write_part(&self, source: &Self::Matrix, out: &mut Self::Matrix, first: usize) -> Done {
        let operation = "write_part";
        match (source, &mut *out) {
            (Spread::Whole(source), Spread::Columns(parts)) => {
                let d = source.rows().max(1);
                let (k, column) = self.shard_of(operation, first / d, source.cols())?;
                return self.inner.write_part(source, &mut parts[k], column * d + first % d);
            }
            (Spread::Whole(source), Spread::Rows(parts)) => {
                let own = self.ranks.own().len();
                let (k, row) = self.shard_of(operation, first % own, source.rows())?;
                let at = first / own * parts[k].rows() + row;
                return self.inner.write_part(source, &mut parts[k], at);
            }
            _ => {}
        }
        alike("write_part", &[source.layout(), out.layout()])?;
        let column = self.column_of("write_part", source.layout(), first)?;
        source.parts().iter().zip(out.parts_mut()).try_for_each(|(source, out)| {
            self.inner.write_part(source, out, column.map_or(first, |column| column * source.rows()))
        })
    }
    /// Of samples: rows within a shard, which are whole then.
    fn read_rows(&self, source: &Self::Matrix, first: usize, out: &mut Self::Matrix) -> Done {
        let out = out.whole_mut("read_rows")?;
        match source {
            Spread::Rows(parts) => {
                let (k, row) = self.shard_of("read_rows", first, out.rows())?;
                self.inner.read_rows(&parts[k], row, out)
            }
            source => self.inner.read_rows(source.whole("read_rows")?, first, out),
        }
    }
    fn write_rows(&self, source: &Self::Matrix, out: &mut Self::Matrix, first: usize) -> Done {
        let source = source.whole("write_rows")?;
        match out {
            Spread::Rows(parts) => {
                let (k, row) = self.shard_of("write_rows", first, source.rows())?;
                self.inner.write_rows(source, &mut parts[k], row)
            }
            out => self.inner.write_rows(source, out.whole_mut("write_rows")?, first),
        }
    }
    fn load_samples(&self, source: &dyn SampleSource, first: usize, out: &mut Self::Matrix) -> Done {
        self.inner.load_samples(source, first, out.whole_mut("load_samples")?)
    }
    fn gather_columns(&self, source: &Self::Matrix, indices: &[usize], out: &mut Self::Matrix) -> Done {
        self.inner.gather_columns(source.whole("gather_columns")?, indices, out.whole_mut("gather_columns")?)
    }
    fn widen(&self, source: &Self::Matrix, out: &mut <Self::Wide as Backend>::Matrix) -> Done {
        alike("widen", &[source.layout(), out.layout()])?;
        source.parts().iter().zip(out.parts_mut()).try_for_each(|(source, out)| self.inner.widen(source, out))
    }
    fn narrow(&self, source: &<Self::Wide as Backend>::Matrix, out: &mut Self::Matrix) -> Done {
        alike("narrow", &[source.layout(), out.layout()])?;
        source.parts().iter().zip(out.parts_mut()).try_for_each(|(source, out)| self.inner.narrow(source, out))
    }

    fn half_zeros(&self, rows: usize, cols: usize) -> Result<Self::HalfMatrix, LinalgError> {
        self.inner.half_zeros(rows, cols)
    }
    fn store_half(&self, source: &Self::Matrix, out: &mut Self::HalfMatrix, first: usize) -> Done {
        self.inner.store_half(source.whole("store_half")?, out, first)
    }
    fn load_half(&self, source: &Self::HalfMatrix, first: usize, columns: &[usize], out: &mut Self::Matrix) -> Done {
        self.inner.load_half(source, first, columns, out.whole_mut("load_half")?)
    }

    fn gemm(
        &self,
        alpha: f64,
        a: &Self::Matrix,
        op_a: Transpose,
        b: &Self::Matrix,
        op_b: Transpose,
        beta: f64,
        c: &mut Self::Matrix,
    ) -> Done {
        let inner = &self.inner;
        let over_samples = matches!((a.layout(), op_a), (Columns, Transpose::No) | (Rows, Transpose::Yes));
        let by_sample = matches!((a.layout(), op_a), (Columns, Transpose::Yes) | (Rows, Transpose::No));
        match (b.layout(), op_b, c.layout()) {
            (Whole, _, Whole) if a.layout() == Whole => {
                inner.gemm(alpha, a.whole("gemm")?, op_a, b.whole("gemm")?, op_b, beta, c.whole_mut("gemm")?)
            }
            // X u, T u.
            (Whole, _, Rows) if by_sample => {
                let b = b.whole("gemm")?;
                let mut parts = a.parts().iter().zip(c.parts_mut());
                parts.try_for_each(|(a, c)| inner.gemm(alpha, a, op_a, b, op_b, beta, c))
            }
            // X't, T't.
            (Rows, Transpose::No, Whole) if over_samples => {
                let (a, b, c) = (a.parts(), b.parts(), c.whole_mut("gemm")?);
                self.reduce(beta, c, |k, out| inner.gemm(alpha, &a[k], op_a, &b[k], op_b, 0.0, out))
            }
            _ => Err(LinalgError::Spread { operation: "gemm" }),
        }
    }
    fn gemm_wide(
        &self,
        alpha: f64,
        a: &Self::Matrix,
        op_a: Transpose,
        b: &<Self::Wide as Backend>::Matrix,
        beta: f64,
        c: &mut <Self::Wide as Backend>::Matrix,
    ) -> Done {
        let operation = "gemm_wide";
        self.inner.gemm_wide(alpha, a.whole(operation)?, op_a, b.whole(operation)?, beta, c.whole_mut(operation)?)
    }
    fn weighted_gram(&self, a: &Self::Matrix, weights: &Self::Matrix, shift: f64, out: &mut Self::Matrix) -> Done {
        let operation = "weighted_gram";
        self.inner.weighted_gram(a.whole(operation)?, weights.whole(operation)?, shift, out.whole_mut(operation)?)
    }
    fn scale(&self, alpha: f64, x: &mut Self::Matrix) -> Done {
        x.parts_mut().iter_mut().try_for_each(|x| self.inner.scale(alpha, x))
    }
    fn axpby(&self, alpha: f64, x: &Self::Matrix, beta: f64, y: &mut Self::Matrix) -> Done {
        alike("axpby", &[x.layout(), y.layout()])?;
        x.parts().iter().zip(y.parts_mut()).try_for_each(|(x, y)| self.inner.axpby(alpha, x, beta, y))
    }
    fn hadamard(&self, x: &Self::Matrix, y: &Self::Matrix, out: &mut Self::Matrix) -> Done {
        alike("hadamard", &[x.layout(), y.layout(), out.layout()])?;
        let mut parts = x.parts().iter().zip(y.parts()).zip(out.parts_mut());
        parts.try_for_each(|((x, y), out)| self.inner.hadamard(x, y, out))
    }
    fn add_terms(&self, weights: &[f64], terms: &[&Self::Matrix], y: &mut Self::Matrix) -> Done {
        let layouts: Vec<Layout> = terms.iter().map(|term| term.layout()).chain([y.layout()]).collect();
        alike("add_terms", &layouts)?;
        y.parts_mut().iter_mut().enumerate().try_for_each(|(k, y)| {
            let terms: Vec<&B::Matrix> = terms.iter().map(|term| &term.parts()[k]).collect();
            self.inner.add_terms(weights, &terms, y)
        })
    }
    fn dot(&self, x: &Self::Matrix, y: &Self::Matrix) -> Result<f64, LinalgError> {
        alike("dot", &[x.layout(), y.layout()])?;
        if x.layout() == Whole {
            return self.inner.dot(&x.parts()[0], &y.parts()[0]);
        }
        Ok(self.ranks.try_sum(1, |k| Ok(vec![self.inner.dot(&x.parts()[k], &y.parts()[k])?]))?[0])
    }
    fn dots(&self, x: &Self::Matrix, others: &[&Self::Matrix]) -> Result<Vec<f64>, LinalgError> {
        let layouts: Vec<Layout> = others.iter().map(|other| other.layout()).chain([x.layout()]).collect();
        alike("dots", &layouts)?;
        let part = |k: usize| {
            let others: Vec<&B::Matrix> = others.iter().map(|other| &other.parts()[k]).collect();
            self.inner.dots(&x.parts()[k], &others)
        };
        if x.layout() == Whole { part(0) } else { self.ranks.try_sum(others.len(), part) }
    }
    fn column_norms(&self, x: &Self::Matrix) -> Result<Vec<f64>, LinalgError> {
        match x.layout() {
            Rows => {
                let squares = self.ranks.try_sum(x.cols(), |k| {
                    Ok(self.inner.column_norms(&x.parts()[k])?.into_iter().map(|norm| norm * norm).collect())
                })?;
                Ok(squares.into_iter().map(f64::sqrt).collect())
            }
            Columns => Err(LinalgError::Spread { operation: "column_norms" }),
            _ => self.inner.column_norms(&x.parts()[0]),
        }
    }

    fn cholesky(&self, a: &mut Self::Matrix) -> Done {
        self.inner.cholesky(a.whole_mut("cholesky")?)
    }
    fn solve(&self, l: &Self::Matrix, half: Half, b: &mut Self::Matrix) -> Done {
        let l = l.whole("solve")?;
        if b.layout() == Rows {
            return Err(LinalgError::Spread { operation: "solve" });
        }
        b.parts_mut().iter_mut().try_for_each(|b| self.inner.solve(l, half, b))
    }
    fn masked_gram(
        &self,
        a: &Self::Matrix,
        mask: &Self::Mask,
        out: &mut Self::Matrix,
        diagonal: &mut Self::Matrix,
    ) -> Done {
        let operation = "masked_gram";
        let (out, diagonal) = (out.whole_mut(operation)?, diagonal.whole_mut(operation)?);
        self.inner.masked_gram(a.whole(operation)?, mask.whole(operation)?, out, diagonal)
    }
    fn gram(&self, a: &Self::Matrix, accumulate: bool, out: &mut Self::Matrix, diagonal: &mut Self::Matrix) -> Done {
        self.inner.gram(a.whole("gram")?, accumulate, out.whole_mut("gram")?, diagonal.whole_mut("gram")?)
    }
    fn shifted_lower(
        &self,
        scale: f64,
        mask: Option<&Self::Mask>,
        diagonal: &Self::Matrix,
        matrix: &mut Self::Matrix,
    ) -> Done {
        let operation = "shifted_lower";
        let mask = mask.map(|mask| mask.whole(operation)).transpose()?;
        self.inner.shifted_lower(scale, mask, diagonal.whole(operation)?, matrix.whole_mut(operation)?)
    }

    fn masked_row_sum(
        &self,
        layout: BlockLayout,
        mask: Option<&Self::Mask>,
        t: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Done {
        alike("masked_row_sum", &[mask.map_or(t.layout(), Spread::layout), t.layout(), out.layout()])?;
        t.parts()
            .iter()
            .zip(out.parts_mut())
            .enumerate()
            .try_for_each(|(k, (t, out))| self.inner.masked_row_sum(layout, mask.map(|mask| &mask.parts()[k]), t, out))
    }
    fn masked_broadcast(&self, mask: &Self::Mask, alpha: f64, r: &Self::Matrix, out: &mut Self::Matrix) -> Done {
        alike("masked_broadcast", &[mask.layout(), r.layout(), out.layout()])?;
        let mut parts = mask.parts().iter().zip(r.parts()).zip(out.parts_mut());
        parts.try_for_each(|((mask, r), out)| self.inner.masked_broadcast(mask, alpha, r, out))
    }
    fn sign_flip(
        &self,
        mask: &Self::Mask,
        scale: &Self::Matrix,
        x: &Self::Matrix,
        minus: Option<&Self::Matrix>,
        out: &mut Self::Matrix,
    ) -> Done {
        let minus_layout = minus.map_or(x.layout(), Spread::layout);
        alike("sign_flip", &[mask.layout(), scale.layout(), x.layout(), minus_layout, out.layout()])?;
        let mut parts = mask.parts().iter().zip(scale.parts()).zip(x.parts()).zip(out.parts_mut()).enumerate();
        parts.try_for_each(|(k, (((mask, scale), x), out))| {
            self.inner.sign_flip(mask, scale, x, minus.map(|minus| &minus.parts()[k]), out)
        })
    }
    fn add_pairs(&self, layout: BlockLayout, alpha: f64, c: &Self::Matrix, x: &mut Self::Matrix) -> Done {
        alike("add_pairs", &[c.layout(), x.layout()])?;
        c.parts().iter().zip(x.parts_mut()).try_for_each(|(c, x)| self.inner.add_pairs(layout, alpha, c, x))
    }

    fn patch_features(&self, plan: &PatchPlan, images: &HostMatrix, first: usize, out: &mut Self::Matrix) -> Done {
        self.inner.patch_features(plan, images, first, out.whole_mut("patch_features")?)
    }

    fn positive_part(&self, scale: f64, x: &mut Self::Matrix) -> Done {
        x.parts_mut().iter_mut().try_for_each(|x| self.inner.positive_part(scale, x))
    }
    fn group_soft_threshold(&self, x: &Self::Matrix, threshold: f64, out: &mut Self::Matrix) -> Done {
        let operation = "group_soft_threshold";
        self.inner.group_soft_threshold(x.whole(operation)?, threshold, out.whole_mut(operation)?)
    }
    fn keep_signs(&self, above: &Self::Mask, below: &Self::Mask, x: &mut Self::Matrix) -> Done {
        self.inner.keep_signs(above.whole("keep_signs")?, below.whole("keep_signs")?, x.whole_mut("keep_signs")?)
    }
    fn slack_step(
        &self,
        mask: &Self::Mask,
        scale: &Self::Matrix,
        xu: &Self::Matrix,
        relaxation: f64,
        dual_step: f64,
        s: &mut Self::Matrix,
        nu: &mut Self::Matrix,
    ) -> Result<SlackNorms, LinalgError> {
        alike("slack_step", &[mask.layout(), scale.layout(), xu.layout(), s.layout(), nu.layout()])?;
        let (mask, scale, xu, s, nu) = (mask.parts(), scale.parts(), xu.parts(), s.parts_mut(), nu.parts_mut());
        let sums = self.ranks.try_sum(4, |k| {
            let SlackNorms { residual, change, image, dual } =
                self.inner.slack_step(&mask[k], &scale[k], &xu[k], relaxation, dual_step, &mut s[k], &mut nu[k])?;
            Ok(vec![residual, change, image, dual])
        })?;
        Ok(SlackNorms { residual: sums[0], change: sums[1], image: sums[2], dual: sums[3] })
    }
    fn soft_slack_step(
        &self,
        cones: &ConesOf<'_, Self>,
        xu: &Self::Matrix,
        relaxation: f64,
        dual_step: f64,
        q: &mut <Self::Wide as Backend>::Matrix,
        s: &mut Self::Matrix,
        nu: &mut Self::Matrix,
    ) -> Result<SlackNorms, LinalgError> {
        let SoftCones { layout, mask, scale, slope, y, weights, kappa, rho } = *cones;
        let layouts = [mask.layout(), scale.layout(), y.layout(), weights.layout(), xu.layout(), q.layout()];
        alike("soft_slack_step", &layouts)?;
        alike("soft_slack_step", &[xu.layout(), s.layout(), nu.layout()])?;
        let (mask, scale, y, weights) = (mask.parts(), scale.parts(), y.parts(), weights.parts());
        let (xu, q, s, nu) = (xu.parts(), q.parts_mut(), s.parts_mut(), nu.parts_mut());
        let sums = self.ranks.try_sum(4, |k| {
            let (mask, scale, y, weights) = (&mask[k], &scale[k], &y[k], &weights[k]);
            let cones = SoftCones { layout, mask, scale, slope, y, weights, kappa, rho };
            let (relaxation, dual_step, inner) = (relaxation, dual_step, &self.inner);
            let SlackNorms { residual, change, image, dual } =
                inner.soft_slack_step(&cones, &xu[k], relaxation, dual_step, &mut q[k], &mut s[k], &mut nu[k])?;
            Ok(vec![residual, change, image, dual])
        })?;
        Ok(SlackNorms { residual: sums[0], change: sums[1], image: sums[2], dual: sums[3] })
    }
}

/// An error about an entry of the rows from number `first` on.
fn below(error: LinalgError, first: usize) -> LinalgError {
    match error {
        LinalgError::NonFinite { row, column, precision } => {
            LinalgError::NonFinite { row: first + row, column, precision }
        }
        other => other,
    }
}
