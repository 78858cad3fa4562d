//! The figures of a model, each with its distribution over samples of the conversations.

use std::collections::BTreeMap;

use artifact::report::{Better, Comparison, Estimate};

use crate::bootstrap::Distribution;

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Its values.
    pub(crate) distribution: Distribution,
    /// Which of two values is the better one, where one is.
    pub(crate) better: Option<Better>,
}

/// Figures by their names in the report.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures(BTreeMap<String, Figure>);

impl Figures {
    /// Adds a figure that there is something to count for.
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        better: Option<Better>,
        distribution: Option<Distribution>,
    ) {
        if let Some(distribution) = distribution {
            self.0.insert(name.into(), Figure { distribution, better });
        }
    }

    /// All figures of `others`, their names after `prefix` and a dot.
    pub(crate) fn extend(&mut self, prefix: &str, others: Self) {
        self.0.extend(others.0.into_iter().map(|(name, figure)| (format!("{prefix}.{name}"), figure)));
    }

    /// Each with its interval.
    pub(crate) fn estimates(&self) -> BTreeMap<String, Estimate> {
        self.0
            .iter()
            .map(|(name, figure)| (name.clone(), figure.distribution.estimate(figure.better)))
            .collect()
    }

    /// The value of a figure.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        Some(self.0.get(name)?.distribution.value)
    }

    /// Each figure that both have, less the other's.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let both = self.0.iter().filter_map(|(name, figure)| {
            let distribution = figure.distribution.minus(&other.0.get(name)?.distribution);
            Some((name.clone(), Figure { distribution, better: figure.better }))
        });
        Self(both.collect())
    }
}

/// Every pair of models by every figure of which one value is the better one.
pub(crate) fn comparisons(models: &[(String, Figures)]) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (place, (first, figures)) in models.iter().enumerate() {
        for (second, others) in &models[place + 1..] {
            for (name, Figure { distribution, better }) in figures.minus(others).0 {
                let Some(better) = better else { continue };
                comparisons.push(Comparison {
                    figure: name,
                    first: first.clone(),
                    second: second.clone(),
                    difference: distribution.estimate(Some(better)),
                    first_is_better: distribution.share_in_favour(better),
                });
            }
        }
    }
    comparisons
}
