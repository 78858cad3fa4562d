//! The figures by which models are ranked.

use std::cmp::Ordering;

use artifact::report::{ModelReport, Ranking, Report};
use artifact::thousands;
use serde::Serialize;

/// A figure that every model may have.
pub(crate) struct Figure {
    /// In report.json.
    name: &'static str,
    pub(crate) ko: &'static str,
    pub(crate) en: &'static str,
    better: Better,
    value: fn(&Report, &ModelReport) -> Option<f64>,
    text: fn(f64) -> String,
}

/// Which of two values is the better one.
#[derive(Clone, Copy)]
enum Better {
    Lower,
    Higher,
}

/// In the order in which they are shown; the first orders the models.
pub(crate) const FIGURES: [Figure; 8] = [
    Figure {
        name: "bits_per_byte",
        ko: "바이트당 비트",
        en: "bits per byte",
        better: Better::Lower,
        value: |_, model| Some(model.bits_per_byte),
        text: |value| format!("{value:.3}"),
    },
    Figure {
        name: "action_accuracy",
        ko: "행동 정확도",
        en: "action accuracy",
        better: Better::Higher,
        value: |_, model| model.action_accuracy,
        text: percent,
    },
    Figure {
        name: "context_recall",
        ko: "문맥 기억",
        en: "context recall",
        better: Better::Higher,
        value: |_, model| model.context_recall,
        text: percent,
    },
    Figure {
        name: "training.tokens_per_second",
        ko: "학습 (토큰/초)",
        en: "training (tokens/s)",
        better: Better::Higher,
        value: |_, model| Some(model.training.as_ref()?.tokens_per_second),
        text: whole,
    },
    Figure {
        name: "speed.tokens_per_second",
        ko: "생성 (토큰/초)",
        en: "generation (tokens/s)",
        better: Better::Higher,
        value: |report, model| Some(report.speed.get(&model.name)?.tokens_per_second),
        text: whole,
    },
    Figure {
        name: "parameters",
        ko: "파라미터",
        en: "parameters",
        better: Better::Lower,
        value: |_, model| Some(model.parameters as f64),
        text: whole,
    },
    Figure {
        name: "training.peak_memory_bytes",
        ko: "학습 메모리 (MiB)",
        en: "memory to train (MiB)",
        better: Better::Lower,
        value: |_, model| Some(model.training.as_ref()?.peak_memory_bytes? as f64),
        text: mebibytes,
    },
    Figure {
        name: "memory",
        ko: "서빙 메모리 (MiB)",
        en: "memory to serve (MiB)",
        better: Better::Lower,
        value: |_, model| model.memory.as_ref().map(|memory| (memory.model_bytes + memory.talk_bytes) as f64),
        text: mebibytes,
    },
];

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn whole(value: f64) -> String {
    thousands(value.round() as u64)
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}

/// What a model reaches by a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Place {
    /// The value.
    pub(crate) text: String,
    /// 1 is the best; equals share a rank.
    pub(crate) rank: usize,
}

impl Better {
    /// The better value first.
    fn compare(self, a: f64, b: f64) -> Ordering {
        match self {
            Self::Lower => a.total_cmp(&b),
            Self::Higher => b.total_cmp(&a),
        }
    }
}

impl Figure {
    /// Each model's place, in the report's order; none where the model lacks the figure.
    pub(crate) fn places(&self, report: &Report) -> Vec<Option<Place>> {
        let values: Vec<Option<f64>> =
            report.models.iter().map(|model| (self.value)(report, model)).collect();
        let places = values.iter().map(|value| {
            let value = (*value)?;
            let better = |other: &&f64| self.better.compare(**other, value) == Ordering::Less;
            let rank = 1 + values.iter().flatten().filter(better).count();
            Some(Place { text: (self.text)(value), rank })
        });
        places.collect()
    }

    /// The places of models that have the figure, the best first.
    fn order(&self, report: &Report) -> Vec<usize> {
        let mut ranks: Vec<(usize, usize)> = self
            .places(report)
            .into_iter()
            .enumerate()
            .filter_map(|(model, place)| Some((place?.rank, model)))
            .collect();
        ranks.sort_unstable();
        ranks.into_iter().map(|(_, model)| model).collect()
    }
}

/// The models by each figure that any of them has.
pub(crate) fn ranking(report: &Report) -> Vec<Ranking> {
    let rankings = FIGURES.iter().map(|figure| Ranking {
        figure: figure.name.to_owned(),
        models: figure.order(report).into_iter().map(|model| report.models[model].name.clone()).collect(),
    });
    rankings.filter(|ranking| !ranking.models.is_empty()).collect()
}

/// The models in the order of the first figure: their places in the report.
pub(crate) fn order(report: &Report) -> Vec<usize> {
    FIGURES[0].order(report)
}
