//! Who reads which partition in a group of the consumer protocol: `uniform` and `range`, as Kafka names them.

use std::collections::{BTreeMap, BTreeSet};

/// A topic's id and a partition's number.
pub(crate) type Slot = (u128, u32);
/// What one member reads.
pub(crate) type Slots = BTreeSet<Slot>;

/// How partitions are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assignor {
    /// Even numbers of partitions, moving as few as possible.
    Uniform,
    /// Neighbouring partitions of each topic, the same numbers of different topics to the same member.
    Range,
}

impl Assignor {
    pub(crate) fn from_name(name: &str) -> Option<Assignor> {
        match name {
            "uniform" => Some(Assignor::Uniform),
            "range" => Some(Assignor::Range),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }
}

/// Shares out all partitions. `wants`: member → topics; `partitions`: topic → number; `before`: what each had.
pub(crate) fn assign(
    assignor: Assignor,
    wants: &BTreeMap<String, BTreeSet<u128>>,
    partitions: &BTreeMap<u128, u32>,
    before: &BTreeMap<String, Slots>,
) -> BTreeMap<String, Slots> {
    let mut shares: BTreeMap<String, Slots> =
        wants.keys().map(|member| (member.clone(), Slots::new())).collect();
    match assignor {
        Assignor::Range => range(wants, partitions, &mut shares),
        Assignor::Uniform => uniform(wants, partitions, before, &mut shares),
    }
    shares
}

fn range(
    wants: &BTreeMap<String, BTreeSet<u128>>,
    partitions: &BTreeMap<u128, u32>,
    shares: &mut BTreeMap<String, Slots>,
) {
    for (topic, count) in partitions {
        let members: Vec<&String> =
            wants.iter().filter(|(_, topics)| topics.contains(topic)).map(|(member, _)| member).collect();
        if members.is_empty() {
            continue;
        }
        let (each, more) = (*count as usize / members.len(), *count as usize % members.len());
        let mut next = 0u32;
        for (index, member) in members.into_iter().enumerate() {
            let len = (each + usize::from(index < more)) as u32;
            let share = shares.entry(member.clone()).or_default();
            share.extend((next..next + len).map(|partition| (*topic, partition)));
            next += len;
        }
    }
}

fn uniform(
    wants: &BTreeMap<String, BTreeSet<u128>>,
    partitions: &BTreeMap<u128, u32>,
    before: &BTreeMap<String, Slots>,
    shares: &mut BTreeMap<String, Slots>,
) {
    if wants.is_empty() {
        return;
    }
    let wanted: BTreeSet<u128> = wants.values().flatten().copied().collect();
    let mut free: Slots = partitions
        .iter()
        .filter(|(topic, _)| wanted.contains(topic))
        .flat_map(|(topic, count)| (0..*count).map(|partition| (*topic, partition)))
        .collect();
    // Everybody keeps what it had up to an even share; `more` members may keep one more.
    let (each, mut more) = (free.len() / wants.len(), free.len() % wants.len());
    for (member, had) in before {
        let (Some(topics), Some(share)) = (wants.get(member), shares.get_mut(member)) else { continue };
        for slot in had.iter().filter(|slot| topics.contains(&slot.0)) {
            let room = share.len() < each || (share.len() == each && more > 0);
            if room && free.remove(slot) {
                more -= usize::from(share.len() == each);
                share.insert(*slot);
            }
        }
    }
    // Members that want the same stand together, who has least first; usually all of them do.
    let mut by_wish: BTreeMap<&BTreeSet<u128>, BTreeSet<(usize, &String)>> = BTreeMap::new();
    for (member, topics) in wants {
        let count = shares.get(member).map_or(0, BTreeSet::len);
        by_wish.entry(topics).or_default().insert((count, member));
    }
    for slot in free {
        let fitting = by_wish.iter_mut().filter(|(topics, _)| topics.contains(&slot.0));
        let least =
            fitting.map(|(_, members)| members).min_by(|left, right| left.first().cmp(&right.first()));
        if let Some(members) = least
            && let Some((count, member)) = members.pop_first()
        {
            members.insert((count + 1, member));
            shares.entry(member.clone()).or_default().insert(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(assignor: Assignor, members: usize, topics: &[u32], masks: &[u8], had: &[u8]) {
        let partitions: BTreeMap<u128, u32> =
            topics.iter().enumerate().map(|(topic, count)| (topic as u128, *count)).collect();
        let wants: BTreeMap<String, BTreeSet<u128>> = (0..members)
            .map(|member| {
                let mask = masks[member];
                let topics = partitions.keys().copied().filter(|topic| mask & (1 << topic) != 0).collect();
                (format!("m{member}"), topics)
            })
            .collect();
        let mut before: BTreeMap<String, Slots> = BTreeMap::new();
        let all: Vec<Slot> =
            partitions.iter().flat_map(|(topic, count)| (0..*count).map(|p| (*topic, p))).collect();
        for (slot, owner) in all.iter().zip(had) {
            before.entry(format!("m{owner}")).or_default().insert(*slot);
        }
        let shares = assign(assignor, &wants, &partitions, &before);
        let mut seen = Slots::new();
        for (member, share) in &shares {
            for slot in share {
                assert!(wants[member].contains(&slot.0), "nobody reads what it does not want");
                assert!(seen.insert(*slot), "nothing is read twice");
            }
        }
        for slot in &all {
            let wanted = wants.values().any(|topics| topics.contains(&slot.0));
            assert_eq!(seen.contains(slot), wanted, "everything wanted is read");
        }
        let alike = wants.values().all(|topics| topics.len() == partitions.len());
        if assignor == Assignor::Uniform && alike && members > 0 {
            let lens: Vec<usize> = shares.values().map(BTreeSet::len).collect();
            assert!(lens.iter().max().unwrap() - lens.iter().min().unwrap() <= 1, "{lens:?}");
            let again = assign(assignor, &wants, &partitions, &shares);
            assert_eq!(again, shares, "what is even stays");
        }
    }

    #[test]
    fn large_groups_are_shared_out_at_once() {
        let wants: BTreeMap<String, BTreeSet<u128>> =
            (0..10_000).map(|member| (format!("m{member}"), BTreeSet::from([1]))).collect();
        let partitions = BTreeMap::from([(1, 10_000)]);
        // Compared with each other they would take minutes.
        let shares = assign(Assignor::Uniform, &wants, &partitions, &BTreeMap::new());
        assert!(shares.values().all(|share| share.len() == 1));
    }

    /// Gives a member that has least of those that want it the next partition, one after the other.
    fn one_by_one(
        wants: &BTreeMap<String, BTreeSet<u128>>,
        partitions: &BTreeMap<u128, u32>,
    ) -> BTreeMap<String, Slots> {
        let mut shares: BTreeMap<String, Slots> = wants.keys().map(|m| (m.clone(), Slots::new())).collect();
        for slot in partitions.iter().flat_map(|(topic, count)| (0..*count).map(|p| (*topic, p))) {
            let fitting = wants.iter().filter(|(_, topics)| topics.contains(&slot.0));
            if let Some((_, member)) = fitting.map(|(member, _)| (shares[member].len(), member)).min() {
                shares.get_mut(member).unwrap().insert(slot);
            }
        }
        shares
    }

    proptest! {
        #[test]
        fn nobody_gets_more_while_another_has_less(
            topics in prop::collection::vec(0u32..7, 0..4),
            masks in prop::collection::vec(any::<u8>(), 0..6),
        ) {
            let partitions: BTreeMap<u128, u32> = (0..).zip(topics).collect();
            let wanted = |mask: &u8| partitions.keys().copied().filter(|t| mask & (1 << t) != 0).collect();
            let wants = masks.iter().enumerate().map(|(m, mask)| (format!("m{m}"), wanted(mask))).collect();
            let shares = assign(Assignor::Uniform, &wants, &partitions, &BTreeMap::new());
            prop_assert_eq!(shares, one_by_one(&wants, &partitions));
        }

        #[test]
        fn every_partition_has_one_reader(
            members in 0usize..5,
            topics in prop::collection::vec(0u32..7, 0..4),
            masks in prop::collection::vec(prop_oneof![Just(15u8), any::<u8>()], 5),
            had in prop::collection::vec(0u8..7, 30),
        ) {
            for assignor in [Assignor::Uniform, Assignor::Range] {
                check(assignor, members, &topics, &masks, &had);
            }
        }
    }
}
