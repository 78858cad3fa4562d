//! Which actions are taken for which.

use std::collections::BTreeMap;

use artifact::report::{Confusion, ConfusionTable};

/// Confusions that are worth a look.
const CONFUSIONS: usize = 12;
/// Actions of the table: as many as a page can show.
const ACTIONS: usize = 24;

/// How often each action was expected and another, the same, or none was carried out.
#[derive(Debug, Default)]
pub(crate) struct Confusions<'a>(BTreeMap<(&'a str, Option<&'a str>), usize>);

impl<'a> Confusions<'a> {
    /// Counts a reply.
    pub(crate) fn count(&mut self, expected: &'a str, chosen: Option<&'a str>) {
        *self.0.entry((expected, chosen)).or_default() += 1;
    }

    /// Actions taken for others, the most frequent first, equals in the order of their names.
    pub(crate) fn most_frequent(&self) -> Vec<Confusion> {
        let mut confusions: Vec<Confusion> = self
            .wrong()
            .map(|(expected, chosen, count)| Confusion {
                expected: expected.to_owned(),
                chosen: chosen.to_owned(),
                count,
            })
            .collect();
        confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.count));
        confusions.truncate(CONFUSIONS);
        confusions
    }

    /// The actions that are most often taken for others, or others for them; none where none was expected.
    pub(crate) fn table(&self) -> Option<ConfusionTable> {
        let mut errors: BTreeMap<&str, usize> = self.0.keys().map(|(expected, _)| (*expected, 0)).collect();
        for (expected, chosen, count) in self.wrong() {
            *errors.entry(expected).or_default() += count;
            *errors.entry(chosen).or_default() += count;
        }
        let mut actions: Vec<(&str, usize)> = errors.into_iter().collect();
        actions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        actions.truncate(ACTIONS);
        let mut actions: Vec<&str> = actions.into_iter().map(|(action, _)| action).collect();
        actions.sort_unstable();
        let mut counts = vec![vec![0; actions.len() + 1]; actions.len()];
        for ((expected, chosen), count) in &self.0 {
            let Ok(row) = actions.binary_search(expected) else { continue };
            let column = chosen.and_then(|chosen| actions.binary_search(&chosen).ok());
            counts[row][column.unwrap_or(actions.len())] += count;
        }
        let actions: Vec<String> = actions.into_iter().map(str::to_owned).collect();
        (!actions.is_empty()).then_some(ConfusionTable { actions, counts })
    }

    fn wrong(&self) -> impl Iterator<Item = (&'a str, &'a str, usize)> {
        self.0.iter().filter_map(|(&(expected, chosen), &count)| {
            let chosen = chosen.filter(|&chosen| chosen != expected)?;
            Some((expected, chosen, count))
        })
    }
}
