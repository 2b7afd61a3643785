//! The ranks of a run: who owns which samples, how they add up what they have, and how they end together.

use super::communicator::{Communicator, RankError};
use super::shards::{Shards, even};
use super::tree;
use crate::error::LinalgError;
use crate::stop::{StopReason, StopToken};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Sums of at most this many numbers go to every rank; of longer ones each rank adds up a slice.
const SHORT: usize = 64;

/// Longer sums are made of pieces of this length, so that no message outgrows what a transport can count.
const PIECE: usize = 1 << 22;

/// Words before the numbers of a message: a request to stop, and where the sender is.
const HEADER: usize = 2;

/// Bytes of a number.
const BYTES: usize = size_of::<f64>();

/// What the sums of a rank have cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Number of sums and other agreements.
    pub sums: u64,
    /// Bytes that this rank sent to others.
    pub bytes: u64,
    /// Seconds that this rank spent in them, waiting for others included.
    pub seconds: f64,
}

/// One of the ranks of a run.
///
/// Every sum carries a word in which a rank asks for the end of the run: all ranks learn of it at the same sum. Another
/// word is a checksum of all sums so far, which finds ranks that have parted.
pub struct Ranks {
    communicator: Arc<dyn Communicator>,
    shards: Shards,
    owners: Vec<Range<usize>>,
    /// The nodes of the tree that each rank can add up alone.
    nodes: Vec<Vec<Range<usize>>>,
    /// Shared with the ranks of parts of the samples: they stop together, and sums follow each other.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What this rank's user wants, and what all ranks have agreed on.
    wanted: Option<StopToken>,
    interrupted: bool,
    agreed: StopToken,
    /// Checksum of the sums so far.
    trail: u64,
    traffic: Traffic,
    failure: Option<RankError>,
}

impl Ranks {
    /// This rank of those that train on these shards together.
    ///
    /// # Errors
    /// [`RankError::TooManyRanks`] unless there is a shard for each.
    pub fn new(communicator: Arc<dyn Communicator>, shards: Shards) -> Result<Self, RankError> {
        let ranks = communicator.size();
        if ranks > shards.count() {
            return Err(RankError::TooManyRanks { ranks, shards: shards.count(), samples: shards.n_samples() });
        }
        let owners = shards.owners(ranks);
        let nodes = owners.iter().map(|owned| tree::nodes(0..shards.count(), owned)).collect();
        Ok(Ranks { communicator, shards, owners, nodes, state: Arc::default() })
    }

    /// The same ranks with parts of their samples: those that are not among `chosen`, and those that are
    /// ([`Shards::divided`]). Each rank keeps its own.
    pub fn divided(&self, chosen: &[usize]) -> [Ranks; 2] {
        self.shards.divided(chosen).map(|shards| Ranks {
            communicator: self.communicator.clone(),
            shards,
            owners: self.owners.clone(),
            nodes: self.nodes.clone(),
            state: self.state.clone(),
        })
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.communicator.rank()
    }

    /// Number of ranks.
    pub fn size(&self) -> usize {
        self.communicator.size()
    }

    /// Number of ranks that share the memory of this machine, this one included.
    pub fn neighbours(&self) -> usize {
        self.communicator.neighbours().max(1)
    }

    /// How the samples are cut.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// The samples of this rank.
    pub fn own(&self) -> Range<usize> {
        self.samples_of(self.rank())
    }

    /// The samples of a rank.
    pub(super) fn samples_of(&self, rank: usize) -> Range<usize> {
        self.shards.samples(self.owners[rank].clone())
    }

    /// The rows of each shard of this rank, counted from its own first sample.
    pub(super) fn own_shards(&self) -> impl Iterator<Item = Range<usize>> {
        let first = self.own().start;
        self.owners[self.rank()].clone().map(move |shard| {
            let samples = self.shards.samples(shard..shard + 1);
            samples.start - first..samples.end - first
        })
    }

    /// What the sums have cost so far.
    pub fn traffic(&self) -> Traffic {
        self.state().traffic
    }

    /// Fails if the ranks cannot go on together.
    ///
    /// # Errors
    /// The first failure of a sum.
    pub fn check(&self) -> Result<(), RankError> {
        self.state().failure.clone().map_or(Ok(()), Err)
    }

    /// Starts a run that `wanted` may end on this rank. Returns the token that is raised on all ranks at the same sum.
    pub fn begin(&self, wanted: StopToken) -> StopToken {
        let mut state = self.state();
        (state.wanted, state.interrupted) = (Some(wanted), false);
        state.agreed = StopToken::new().for_run(None);
        state.agreed.clone()
    }

    /// Asks for the end of the run.
    pub fn interrupt(&self) {
        self.state().interrupted = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `sums` becomes the sum over all shards of all ranks of what `part` writes for a shard of this rank, given by its
    /// number among them. NaN after a [failure](Ranks::check).
    pub(super) fn sum(&self, sums: &mut [f64], part: &mut dyn FnMut(usize, &mut [f64])) {
        let first = self.owners[self.rank()].start;
        let mut leaf = |node: &Range<usize>| {
            (node.len() == 1).then(|| {
                let mut values = vec![0.0; sums.len()];
                part(node.start - first, &mut values);
                values
            })
        };
        let own: Vec<Vec<f64>> =
            self.nodes[self.rank()].iter().map(|node| tree::sum(node.clone(), &mut leaf)).collect();
        for start in (0..sums.len()).step_by(PIECE) {
            let piece = start..(start + PIECE).min(sums.len());
            let total = self.total(&own, piece.clone());
            sums[piece].copy_from_slice(&total);
        }
    }

    /// The sums over all shards of all ranks of the `length` values that `part` has for a shard of this rank.
    ///
    /// # Errors
    /// Those of `part`, and the first failure of the ranks. A rank with an error takes part nevertheless: the others
    /// would wait for it.
    pub(super) fn try_sum(
        &self,
        length: usize,
        mut part: impl FnMut(usize) -> Result<Vec<f64>, LinalgError>,
    ) -> Result<Vec<f64>, LinalgError> {
        let (mut sums, mut failure) = (vec![0.0; length], None);
        self.sum(&mut sums, &mut |shard, out| match part(shard) {
            Ok(values) => out.copy_from_slice(&values),
            Err(error) => {
                out.fill(f64::NAN);
                failure = Some(error);
            }
        });
        self.check()?;
        failure.map_or(Ok(sums), Err)
    }

    /// The entries `piece` of the sum of the nodes of all ranks, of which these are those of this rank.
    fn total(&self, own: &[Vec<f64>], piece: Range<usize>) -> Vec<f64> {
        let length = piece.len();
        let joined = if length <= SHORT || self.size() == 1 {
            let mine: Vec<f64> = own.iter().flat_map(|node| &node[piece.clone()]).copied().collect();
            let counts: Vec<usize> = self.nodes.iter().map(|nodes| nodes.len() * length).collect();
            self.gather(&mine, &counts).map(|all| self.join(&all, length))
        } else {
            self.sliced(own, &piece)
        };
        let total = joined.unwrap_or_else(|error| {
            self.state().failure.get_or_insert(error);
            vec![f64::NAN; length]
        });
        let mut state = self.state();
        let slice = &total[..length.min(SHORT)];
        state.trail = slice.iter().fold(state.trail, |trail, value| mix(trail, value.to_bits()));
        drop(state);
        total
    }

    /// The same with as many numbers on the wire as any sum needs: each rank adds up a slice of all nodes.
    fn sliced(&self, own: &[Vec<f64>], piece: &Range<usize>) -> Result<Vec<f64>, RankError> {
        let slices = even(piece.len(), self.size());
        let slice = |rank: usize| piece.start + slices[rank]..piece.start + slices[rank + 1];
        let part = |rank: usize| own.iter().flat_map(move |node| &node[slice(rank)]).copied().collect::<Vec<f64>>();
        let (mine, length) = (slice(self.rank()).len(), |rank: usize| self.nodes[rank].len());
        let from: Vec<usize> = (0..self.size()).map(|rank| length(rank) * mine).collect();
        let all = self.exchange((0..self.size()).map(part), &from)?;
        let total = self.join(&all, mine);
        let counts: Vec<usize> = (0..self.size()).map(|rank| slice(rank).len()).collect();
        self.gather(&total, &counts)
    }

    /// Adds up the nodes of all ranks, one after the other, of `length` numbers each.
    fn join(&self, all: &[f64], length: usize) -> Vec<f64> {
        let place = |node: &Range<usize>| self.nodes.iter().flatten().position(|other| other == node);
        tree::sum(0..self.shards.count(), &mut |node| {
            place(node).map(|at| all[at * length..(at + 1) * length].to_vec())
        })
    }

    /// The numbers of all ranks, one rank after the other.
    pub(super) fn gather(&self, mine: &[f64], counts: &[usize]) -> Result<Vec<f64>, RankError> {
        let header = self.header()?;
        if self.size() == 1 {
            self.heed(&[header])?;
            return Ok(mine.to_vec());
        }
        let bytes = encoded(&header, mine);
        let lengths: Vec<usize> = counts.iter().map(|count| (HEADER + count) * BYTES).collect();
        let sent = bytes.len() * (self.size() - 1);
        let all = self.timed(sent, || self.communicator.gather(&bytes, &lengths))?;
        self.decoded(&all, counts)
    }

    /// Sends these numbers to each rank; returns what came, in the order of the ranks.
    fn exchange(&self, to: impl Iterator<Item = Vec<f64>>, from: &[usize]) -> Result<Vec<f64>, RankError> {
        let header = self.header()?;
        let parts: Vec<Vec<u8>> = to.map(|numbers| encoded(&header, &numbers)).collect();
        let lengths = |counts: &[usize]| counts.iter().map(|count| (HEADER + count) * BYTES).collect::<Vec<_>>();
        let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
        let sent = sizes.iter().sum::<usize>() - sizes[self.rank()];
        let all = self.timed(sent, || self.communicator.exchange(&parts.concat(), &sizes, &lengths(from)))?;
        self.decoded(&all, from)
    }

    /// Numbers on their way to the first rank; there, what came from all, in the order of the ranks.
    pub(super) fn collect(&self, mine: &[f64], counts: &[usize]) -> Result<Option<Vec<f64>>, RankError> {
        let first = self.rank() == 0;
        let to = (0..self.size()).map(|rank| if rank == 0 { mine.to_vec() } else { Vec::new() });
        let from: Vec<usize> = counts.iter().map(|&count| if first { count } else { 0 }).collect();
        let all = self.exchange(to, &from)?;
        Ok(first.then_some(all))
    }

    /// What this rank says before its numbers.
    fn header(&self) -> Result<[u64; HEADER], RankError> {
        let state = self.state();
        state.failure.clone().map_or(Ok(()), Err)?;
        let interrupt = state.interrupted.then_some(StopReason::Interrupted);
        let wish = interrupt.or(state.wanted.as_ref().and_then(StopToken::request)).map_or(0, |reason| reason as u64);
        Ok([wish, mix(state.trail, state.traffic.sums)])
    }

    /// Ends the run if a rank asks for it, and fails if one is elsewhere.
    fn heed(&self, headers: &[[u64; HEADER]]) -> Result<(), RankError> {
        let mut state = self.state();
        let own = headers.get(self.rank()).map_or(0, |header| header[1]);
        if let Some(other) = headers.iter().position(|header| header[1] != own) {
            return Err(RankError::OutOfStep { rank: self.rank(), other });
        }
        let reason = |header: &[u64; HEADER]| StopReason::from_code(u8::try_from(header[0]).ok()?);
        if let Some(reason) = headers.iter().filter_map(reason).min() {
            state.agreed.raise_for(reason);
        }
        state.traffic.sums += 1;
        Ok(())
    }

    fn timed<R>(&self, sent: usize, work: impl FnOnce() -> Result<R, RankError>) -> Result<R, RankError> {
        let begin = Instant::now();
        let result = work();
        let mut state = self.state();
        state.traffic.bytes += sent as u64;
        state.traffic.seconds += begin.elapsed().as_secs_f64();
        if let Err(error) = &result {
            state.failure.get_or_insert_with(|| error.clone());
        }
        result
    }

    /// The numbers of the messages of all ranks, after a look at their headers.
    fn decoded(&self, bytes: &[u8], counts: &[usize]) -> Result<Vec<f64>, RankError> {
        let (mut headers, mut numbers) = (Vec::new(), Vec::with_capacity(counts.iter().sum()));
        let mut words = bytes.as_chunks::<BYTES>().0.iter().map(|word| u64::from_le_bytes(*word));
        for &count in counts {
            headers.push([words.next().unwrap_or_default(), words.next().unwrap_or_default()]);
            numbers.extend(words.by_ref().take(count).map(f64::from_bits));
        }
        self.heed(&headers).inspect_err(|error| {
            self.state().failure.get_or_insert_with(|| error.clone());
        })?;
        Ok(numbers)
    }
}

fn encoded(header: &[u64; HEADER], numbers: &[f64]) -> Vec<u8> {
    let words = header.iter().copied().chain(numbers.iter().map(|number| number.to_bits()));
    words.flat_map(u64::to_le_bytes).collect()
}

/// A checksum with another word (the multiplier of Knuth's linear congruential generator).
fn mix(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(6_364_136_223_846_793_005).rotate_left(23)
}
