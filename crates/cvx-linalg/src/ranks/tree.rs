//! The binary tree over shards that partial sums climb: which addition meets which depends on the number of shards.

use std::ops::Range;

/// The node below `node` that comes first ends here.
fn middle(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

fn children(node: &Range<usize>) -> [Range<usize>; 2] {
    [node.start..middle(node), middle(node)..node.end]
}

/// The largest nodes of the tree below `node` that lie in `owned`, in order.
pub fn nodes(node: Range<usize>, owned: &Range<usize>) -> Vec<Range<usize>> {
    if node.start >= owned.end || node.end <= owned.start {
        return Vec::new();
    }
    if owned.start <= node.start && node.end <= owned.end {
        return vec![node];
    }
    children(&node).into_iter().flat_map(|child| nodes(child, owned)).collect()
}

/// The sum of a node from those of the nodes that `known` has.
pub fn sum(node: Range<usize>, known: &mut dyn FnMut(&Range<usize>) -> Option<Vec<f64>>) -> Vec<f64> {
    if let Some(values) = known(&node) {
        return values;
    }
    let [left, right] = children(&node);
    let mut total = sum(left, known);
    total.iter_mut().zip(sum(right, known)).for_each(|(total, value)| *total += value);
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_additions_however_the_leaves_are_owned() {
        let leaf = |k: usize| vec![(k as f64 + 1.0).sqrt() * 10f64.powi(k as i32 % 7), k as f64];
        for count in 1..20 {
            let whole = sum(0..count, &mut |node| (node.len() == 1).then(|| leaf(node.start)));
            assert_eq!(whole[1], (count * (count - 1) / 2) as f64);
            for cut in 1..count {
                let owned: Vec<_> = [0..cut, cut..count].iter().flat_map(|owned| nodes(0..count, owned)).collect();
                let values = |node: &Range<usize>| sum(node.clone(), &mut |n| (n.len() == 1).then(|| leaf(n.start)));
                let joined = sum(0..count, &mut |node| owned.contains(node).then(|| values(node)));
                assert_eq!(joined, whole, "{count} leaves, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_power_of_two_is_halved() {
        assert_eq!(nodes(0..8, &(2..8)), [2..4, 4..8]);
        assert_eq!(nodes(0..6, &(0..6)), [Range { start: 0, end: 6 }]);
        assert_eq!(nodes(0..6, &(3..6)), [3..4, 4..6]);
    }
}
