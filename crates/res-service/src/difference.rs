//! The shortest way from one list to another in removes and adds.

/// Largest product of the differing parts' lengths that is compared item by item (a table of so many cells).
const CELLS_MAX: usize = 1_000_000;

/// One step of a collection, with the position at the time of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take the item at this position out.
    Remove(usize),
    /// Put the `from`th item of the later list at position `at`.
    Add { at: usize, from: usize },
}

/// The steps that make `before` into `after`, or `None` if there would be more than `steps_max`, or if finding
/// them would cost too much.
pub(crate) fn steps<T: PartialEq>(before: &[T], after: &[T], steps_max: usize) -> Option<Vec<Step>> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let tail =
        before[head..].iter().rev().zip(after[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let old = &before[head..before.len() - tail];
    let new = &after[head..after.len() - tail];
    if old.len().saturating_mul(new.len()) > CELLS_MAX {
        return None;
    }
    let width = new.len() + 1;
    // lengths[i * width + j]: the longest common subsequence of old[i..] and new[j..].
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let kept = lengths[0] as usize;
    if old.len() + new.len() - 2 * kept > steps_max {
        return None;
    }
    let mut steps = Vec::with_capacity(old.len() + new.len() - 2 * kept);
    let (mut i, mut j, mut at) = (0, 0, head);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j, at) = (i + 1, j + 1, at + 1);
        } else if i < old.len()
            && (j == new.len() || lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
        {
            steps.push(Step::Remove(at));
            i += 1;
        } else {
            steps.push(Step::Add { at, from: head + j });
            (j, at) = (j + 1, at + 1);
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn applied(before: &[u8], after: &[u8], steps: &[Step]) -> Vec<u8> {
        let mut list = before.to_vec();
        for step in steps {
            match *step {
                Step::Remove(at) => drop(list.remove(at)),
                Step::Add { at, from } => list.insert(at, after[from]),
            }
        }
        list
    }

    #[test]
    fn e08_a_moved_item_is_removed_and_added() {
        let steps = steps(b"abcd", b"acdb", 10).expect("few steps");
        assert_eq!(steps, [Step::Remove(1), Step::Add { at: 3, from: 3 }]);
    }

    #[test]
    fn too_many_steps_are_not_listed() {
        assert_eq!(steps(b"abc", b"xyz", 5), None);
        assert_eq!(steps(b"abc", b"xyz", 6).map(|steps| steps.len()), Some(6));
    }

    proptest! {
        #[test]
        fn e06_e07_the_steps_lead_from_one_list_to_the_other_within_its_bounds(
            before in prop::collection::vec(0_u8..6, 0..14), after in prop::collection::vec(0_u8..6, 0..14),
        ) {
            let steps = steps(&before, &after, usize::MAX).expect("unlimited");
            prop_assert_eq!(applied(&before, &after, &steps), after);
        }
    }
}
