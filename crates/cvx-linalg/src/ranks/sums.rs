//! Where the training samples are, and sums over all of them of values on the host.

use super::communicator::RankError;
use super::world::Ranks;
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::mask::BitMask;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The rows of matrices on the host that have one for each training sample: all of them, or those of one rank.
///
/// With all samples here, a sum is what its closure returns for all rows. Else every rank asks for the same sums in the
/// same order; after a failure of the ranks they are NaN, and the next operation of the back end reports it.
#[derive(Clone, Default)]
pub struct SampleSums(Option<Arc<Ranks>>);

static ALL_HERE: SampleSums = SampleSums(None);

impl SampleSums {
    /// All samples are here.
    pub fn all_here() -> &'static SampleSums {
        &ALL_HERE
    }

    /// The samples of one rank.
    pub fn of_rank(ranks: Arc<Ranks>) -> Self {
        SampleSums(Some(ranks))
    }

    /// The ranks that the samples are spread over; `None` if all are here.
    pub fn ranks(&self) -> Option<&Arc<Ranks>> {
        self.0.as_ref()
    }

    /// Where the samples are that are not among `chosen`, and where those are that are: rows among all samples in
    /// ascending order.
    pub fn divided(&self, chosen: &[usize]) -> [SampleSums; 2] {
        match &self.0 {
            None => [SampleSums::default(), SampleSums::default()],
            Some(ranks) => ranks.divided(chosen).map(|part| SampleSums(Some(Arc::new(part)))),
        }
    }

    /// Fails if the ranks cannot go on together: what was summed since then is no sum.
    ///
    /// # Errors
    /// The first failure of the ranks.
    pub fn check(&self) -> Result<(), RankError> {
        self.0.as_ref().map_or(Ok(()), |ranks| ranks.check())
    }

    /// Fails unless `rows` is the number of the samples here.
    pub(crate) fn check_rows(&self, operation: &'static str, rows: usize) -> Result<(), LinalgError> {
        match &self.0 {
            Some(ranks) if ranks.own().len() != rows => {
                let detail = format!("{rows} samples, and this rank has {}", ranks.own().len());
                Err(LinalgError::shape(operation, detail))
            }
            _ => Ok(()),
        }
    }

    /// Whether results of all samples come together here: on the first rank.
    pub fn is_first(&self) -> bool {
        self.0.as_ref().is_none_or(|ranks| ranks.rank() == 0)
    }

    /// Number of all samples, of which `rows` are here.
    pub fn total(&self, rows: usize) -> usize {
        self.0.as_ref().map_or(rows, |ranks| ranks.shards().n_samples())
    }

    /// The number of the first sample here among all.
    pub fn first(&self) -> usize {
        self.0.as_ref().map_or(0, |ranks| ranks.own().start)
    }

    /// The sums over all samples of the values that `part` has for a range of the `rows` here.
    pub fn sum<const K: usize>(&self, rows: usize, mut part: impl FnMut(Range<usize>) -> [f64; K]) -> [f64; K] {
        let Some(ranks) = &self.0 else { return part(0..rows) };
        let shards: Vec<Range<usize>> = ranks.own_shards().collect();
        let mut sums = [0.0; K];
        ranks.sum(&mut sums, &mut |shard, out| out.copy_from_slice(&part(shards[shard].clone())));
        sums
    }

    /// The same for `length` values.
    pub fn sums(&self, rows: usize, length: usize, mut part: impl FnMut(Range<usize>) -> Vec<f64>) -> Vec<f64> {
        let Some(ranks) = &self.0 else { return part(0..rows) };
        let shards: Vec<Range<usize>> = ranks.own_shards().collect();
        let mut sums = vec![0.0; length];
        ranks.sum(&mut sums, &mut |shard, out| out.copy_from_slice(&part(shards[shard].clone())));
        sums
    }

    /// The same for sums whose parts may fail.
    ///
    /// # Errors
    /// Those of `part`, and [`LinalgError::Ranks`] if the ranks cannot go on together.
    pub fn try_sums(
        &self,
        rows: usize,
        length: usize,
        mut part: impl FnMut(Range<usize>) -> Result<Vec<f64>, LinalgError>,
    ) -> Result<Vec<f64>, LinalgError> {
        let Some(ranks) = &self.0 else { return part(0..rows) };
        let shards: Vec<Range<usize>> = ranks.own_shards().collect();
        ranks.try_sum(length, |shard| part(shards[shard].clone()))
    }

    /// Whether all samples are one shard, which is here.
    pub(crate) fn is_one(&self) -> bool {
        self.0.as_ref().is_none_or(|ranks| ranks.shards().count() == 1)
    }

    /// What `part` has for each shard here: for all of the `rows` here at once, if all samples are here.
    pub fn of_shards<T>(&self, rows: usize, mut part: impl FnMut(Range<usize>) -> T) -> Vec<T> {
        match &self.0 {
            None => vec![part(0..rows)],
            Some(ranks) => ranks.own_shards().map(part).collect(),
        }
    }

    /// The sum over the shards of all samples, of which `here` are those [of this rank](SampleSums::of_shards).
    pub fn sum_of_shards<T>(&self, here: &[T], value: impl Fn(&T) -> f64) -> f64 {
        let Some(ranks) = &self.0 else { return here.iter().map(value).sum() };
        let mut sum = [0.0];
        ranks.sum(&mut sum, &mut |shard, out| out[0] = value(&here[shard]));
        sum[0]
    }

    /// The smallest of these numbers over all ranks.
    pub fn smallest(&self, here: f64) -> f64 {
        if self.0.is_some() { -self.largest(vec![-here])[0] } else { here }
    }

    /// The largest of each of these values over all ranks; NaN counts only if all are.
    pub fn largest(&self, values: Vec<f64>) -> Vec<f64> {
        if self.0.is_none() {
            return values;
        }
        let length = values.len();
        let all = self.gather(values);
        let mut rows = all.into_iter();
        let first = rows.next().unwrap_or_else(|| vec![f64::NAN; length]);
        rows.fold(first, |most, row| most.iter().zip(row).map(|(most, value)| most.max(value)).collect())
    }

    /// Whether it is so on any rank.
    pub fn any(&self, here: bool) -> bool {
        self.largest(vec![f64::from(u8::from(here))]).iter().any(|&found| found > 0.0)
    }

    /// The place of the first rank that has one, say of a number that is too large: one of one rank is one of all.
    pub fn first_place(&self, here: Option<[usize; 2]>) -> Option<[usize; 2]> {
        let places = self.gather(here.map_or([f64::NAN; 2], |place| place.map(|at| at as f64)).to_vec());
        places.iter().find(|place| place[0].is_finite()).map(|place| [place[0] as usize, place[1] as usize])
    }

    /// What the first rank says.
    pub fn of_first(&self, here: bool) -> bool {
        self.any(here && self.is_first())
    }

    /// The values of each rank; as many on each.
    pub fn gather(&self, mine: Vec<f64>) -> Vec<Vec<f64>> {
        let Some(ranks) = &self.0 else { return vec![mine] };
        let length = mine.len();
        let all = ranks.gather(&mine, &vec![length; ranks.size()]);
        all.map_or_else(|_| Vec::new(), |all| split(&all, &vec![length; ranks.size()]))
    }

    /// The texts of each rank.
    pub fn texts(&self, mine: Vec<String>) -> Vec<Vec<String>> {
        let Some(ranks) = &self.0 else { return vec![mine] };
        // Ends of the texts, then all their bytes; a byte is a number.
        let bytes: Vec<f64> = mine.iter().flat_map(|text| text.bytes().map(f64::from)).collect();
        let lengths: Vec<f64> = mine.iter().map(|text| text.len() as f64).collect();
        let sizes = self.gather(vec![lengths.len() as f64, bytes.len() as f64]);
        let [texts, counts] = [0, 1].map(|k| sizes.iter().map(|size| size[k] as usize).collect::<Vec<_>>());
        let gathered = ranks.gather(&lengths, &texts).and_then(|lengths| Ok((lengths, ranks.gather(&bytes, &counts)?)));
        let Ok((lengths, bytes)) = gathered else { return Vec::new() };
        let mut bytes = bytes.into_iter().map(|byte| byte as u8);
        let mut text = |length: &f64| {
            let bytes: Vec<u8> = bytes.by_ref().take(*length as usize).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        split(&lengths, &texts).iter().map(|lengths| lengths.iter().map(&mut text).collect()).collect()
    }

    /// On the first rank, the rows of all ranks; elsewhere those that are here.
    ///
    /// # Errors
    /// [`RankError`] if the ranks cannot go on together.
    pub fn collect(&self, here: HostMatrix) -> Result<HostMatrix, RankError> {
        let Some(ranks) = self.0.as_ref().filter(|_| here.rows() > 0) else { return Ok(here) };
        let (n, rows) = (ranks.shards().n_samples(), |rank: usize| ranks.samples_of(rank));
        let counts: Vec<usize> = (0..ranks.size()).map(|rank| rows(rank).len()).collect();
        let mut all = HostMatrix::zeros(if self.is_first() { n } else { 0 }, here.cols());
        for j in 0..here.cols() {
            if let Some(column) = ranks.collect(here.col(j), &counts)? {
                all.col_mut(j).copy_from_slice(&column);
            }
        }
        Ok(if self.is_first() { all } else { here })
    }

    /// The same for a mask.
    ///
    /// # Errors
    /// [`RankError`] if the ranks cannot go on together.
    pub fn collect_mask(&self, here: &BitMask) -> Result<BitMask, RankError> {
        let Some(ranks) = &self.0 else { return Ok(here.clone()) };
        let rows: Vec<usize> = (0..ranks.size()).map(|rank| ranks.samples_of(rank).len()).collect();
        let counts: Vec<usize> = rows.iter().map(|rows| rows.div_ceil(u64::BITS as usize)).collect();
        let mut words = vec![Vec::new(); ranks.size()];
        for j in 0..here.cols() {
            // Words travel as the numbers with their bits.
            let mine: Vec<f64> = here.column(j).iter().map(|&word| f64::from_bits(word)).collect();
            let columns = ranks.collect(&mine, &counts)?.map_or_else(Vec::new, |all| split(&all, &counts));
            words
                .iter_mut()
                .zip(columns)
                .for_each(|(words, column)| words.extend(column.into_iter().map(f64::to_bits)));
        }
        if !self.is_first() {
            return Ok(here.clone());
        }
        let part = |(rows, words): (usize, Vec<u64>)| BitMask::from_columns(rows, here.cols(), words);
        let parts: Option<Vec<BitMask>> = rows.into_iter().zip(words).map(part).collect();
        let parts = parts.ok_or_else(|| RankError::Lost { detail: "a mask came with bits beyond its rows".into() })?;
        Ok(BitMask::stacked(here.cols(), &parts))
    }

    /// On every rank, the rows of all ranks.
    ///
    /// # Errors
    /// [`RankError`] if the ranks cannot go on together.
    pub fn everywhere(&self, here: HostMatrix) -> Result<HostMatrix, RankError> {
        let Some(ranks) = &self.0 else { return Ok(here) };
        let counts: Vec<usize> = (0..ranks.size()).map(|rank| ranks.samples_of(rank).len()).collect();
        let columns: Result<Vec<_>, _> = (0..here.cols()).map(|j| ranks.gather(here.col(j), &counts)).collect();
        Ok(HostMatrix::from_vec(ranks.shards().n_samples(), here.cols(), columns?.concat()))
    }

    /// The rows here of these, which are in ascending order among all samples: counted from the first sample here, of
    /// which there are `count`.
    pub fn own_of(&self, rows: &[usize], count: usize) -> Vec<usize> {
        let first = self.first();
        let [begin, end] = [first, first + count].map(|bound| rows.partition_point(|&row| row < bound));
        rows[begin..end].iter().map(|row| row - first).collect()
    }

    /// The `rows` here, of a matrix with a row for each of all samples.
    pub fn own_rows(&self, all: &HostMatrix, rows: usize) -> HostMatrix {
        let first = self.first();
        HostMatrix::from_fn(rows, all.cols(), |i, j| all[(first + i, j)])
    }

    /// Row `row` among all samples, on every rank: `here` has its values if it is one of those here.
    pub fn row(&self, row: usize, length: usize, here: impl FnOnce(usize) -> Vec<f64>) -> Vec<f64> {
        let Some(ranks) = &self.0 else { return here(row) };
        let counts: Vec<usize> =
            (0..ranks.size()).map(|rank| if ranks.samples_of(rank).contains(&row) { length } else { 0 }).collect();
        let mine = if ranks.own().contains(&row) { here(row - ranks.own().start) } else { Vec::new() };
        ranks.gather(&mine, &counts).unwrap_or_else(|_| vec![f64::NAN; length])
    }
}

fn split(all: &[f64], counts: &[usize]) -> Vec<Vec<f64>> {
    let mut rest = all.iter().copied();
    counts.iter().map(|&count| rest.by_ref().take(count).collect()).collect()
}

/// Where samples are is no part of a value.
impl PartialEq for SampleSums {
    fn eq(&self, _: &SampleSums) -> bool {
        true
    }
}

impl fmt::Debug for SampleSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("SampleSums(all here)"),
            Some(ranks) => write!(f, "SampleSums({:?} on rank {} of {})", ranks.own(), ranks.rank(), ranks.size()),
        }
    }
}
