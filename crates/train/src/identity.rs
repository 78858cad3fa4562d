//! Which run a checkpoint belongs to.

use artifact::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inputs::Inputs;
use crate::settings::Settings;

/// What must be the same for a run to go on from a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// A hash of the training data.
    data: String,
    /// A hash of the model that training began from.
    model: String,
    /// The options.
    settings: Settings,
}

impl Identity {
    /// The identity of the run at hand.
    pub(crate) fn new(inputs: &Inputs, settings: &Settings) -> Result<Self> {
        Ok(Self { data: inputs.data_digest(), model: inputs.model_digest()?, settings: settings.clone() })
    }

    /// How the run at hand differs from `then`, the run of a checkpoint.
    pub(crate) fn differences(&self, then: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.data != then.data {
            found.push("the data is another".to_owned());
        }
        if self.model != then.model {
            found.push("the model to start from is another".to_owned());
        }
        let value = |settings: &Settings| serde_json::to_value(settings).expect("settings have a JSON form");
        compare("", &value(&then.settings), &value(&self.settings), &mut found);
        found
    }
}

fn compare(name: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(before), Value::Object(after)) if before.keys().eq(after.keys()) => {
            for (key, value) in before {
                compare(key, value, &after[key], found);
            }
        }
        (then, now) if then != now => found.push(format!("{name} was {then} and is {now}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arguments;
    use clap::Parser;

    impl Identity {
        pub(crate) fn sample() -> Self {
            Self::of("--steps 10 --learning-rate 0.001")
        }

        fn of(options: &str) -> Self {
            let words = "train --data d --model m --out o".split(' ').chain(options.split(' '));
            let settings = Settings::checked(&Arguments::parse_from(words), 256).unwrap();
            Self { data: "d".to_owned(), model: "m".to_owned(), settings }
        }
    }

    fn check(options: &str, expected: &[&str]) {
        assert_eq!(Identity::of(options).differences(&Identity::sample()), expected);
    }

    #[test]
    fn tells_what_is_different() {
        check("--steps 10 --learning-rate 0.001 --checkpoint-every 3", &[]);
        check("--steps 10 --learning-rate 0.002", &["peak was 0.001 and is 0.002"]);
        check(
            "--epochs 1 --seed 4 --learning-rate 0.001",
            &[r#"budget was {"steps":10} and is {"epochs":1.0}"#, "seed was 0 and is 4"],
        );
        let other = Identity { data: "e".to_owned(), ..Identity::sample() };
        assert_eq!(other.differences(&Identity::sample()), ["the data is another"]);
    }

    #[test]
    fn survives_its_file() {
        let identity = Identity::of("--minutes 0.1 --learning-rate 0.0003 --beta2 0.999 --warmup 0.07");
        let text = serde_json::to_string(&identity).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&text).unwrap(), identity);
    }
}
