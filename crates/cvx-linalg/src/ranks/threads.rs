//! Ranks that are threads of one process.

use super::communicator::{Communicator, RankError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// One of several ranks in one process. Each belongs to a thread of its own.
pub struct Threads {
    rank: usize,
    to: Vec<Mutex<Sender<Vec<u8>>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Threads {
    /// `size` ranks that are connected to each other.
    pub fn connected(size: usize) -> Vec<Threads> {
        let mut world: Vec<Threads> =
            (0..size).map(|rank| Threads { rank, to: Vec::new(), from: Vec::new() }).collect();
        for sender in 0..size {
            for receiver in 0..size {
                let (to, from) = channel();
                world[sender].to.push(Mutex::new(to));
                world[receiver].from.push(Mutex::new(from));
            }
        }
        world
    }

    fn send(&self, rank: usize, bytes: Vec<u8>) -> Result<(), RankError> {
        let sender = self.to[rank].lock().unwrap_or_else(PoisonError::into_inner);
        sender.send(bytes).map_err(|_| ended(rank))
    }

    fn receive(&self, rank: usize, length: usize) -> Result<Vec<u8>, RankError> {
        let receiver = self.from[rank].lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = receiver.recv().map_err(|_| ended(rank))?;
        if bytes.len() == length { Ok(bytes) } else { Err(RankError::OutOfStep { rank: self.rank, other: rank }) }
    }
}

fn ended(rank: usize) -> RankError {
    RankError::Lost { detail: format!("rank {rank} has ended") }
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn neighbours(&self) -> usize {
        self.size()
    }

    fn gather(&self, mine: &[u8], lengths: &[usize]) -> Result<Vec<u8>, RankError> {
        (0..self.size()).try_for_each(|rank| self.send(rank, mine.to_vec()))?;
        let parts = (0..self.size()).map(|rank| self.receive(rank, lengths[rank]));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn exchange(&self, mine: &[u8], to: &[usize], from: &[usize]) -> Result<Vec<u8>, RankError> {
        let mut rest = mine;
        for (rank, &length) in to.iter().enumerate() {
            let (part, after) = rest.split_at(length);
            self.send(rank, part.to_vec())?;
            rest = after;
        }
        let parts = (0..self.size()).map(|rank| self.receive(rank, from[rank]));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
    }
}
