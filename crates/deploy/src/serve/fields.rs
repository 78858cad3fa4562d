//! The fields of a request, each taken once; what nobody has taken is refused, never ignored.

use serde_json::{Map, Value};

use super::api_error::ApiError;

/// The fields that nobody has taken yet. `null` is the same as absence.
pub(super) struct Fields {
    /// Where they stand, as errors name it: empty, or with a dot at its end.
    place: String,
    fields: Map<String, Value>,
}

impl Fields {
    /// Of a body.
    pub(super) fn of_body(body: &[u8]) -> Result<Self, ApiError> {
        let body = serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid(format!("the body: expected a JSON object: {error}")))?;
        match body {
            Value::Object(fields) => Ok(Self { place: String::new(), fields }),
            _ => Err(ApiError::invalid("the body: expected a JSON object")),
        }
    }

    /// Of the object at `place`.
    pub(super) fn of(place: &str, value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self { place: format!("{place}."), fields }),
            _ => Err(ApiError::value(place, "an object")),
        }
    }

    /// A field's name as errors tell it.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// The fields of an object in a field.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        let place = self.name(name);
        self.take(name).map(|value| Self::of(&place, value)).transpose()
    }

    fn of_type<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let place = self.name(name);
        let value = self.take(name);
        value.map(|value| read(value).ok_or_else(|| ApiError::value(place, expected))).transpose()
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        self.of_type(name, "a string", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.of_type(name, "true or false", |value| value.as_bool())
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        self.of_type(name, "a list", |value| match value {
            Value::Array(values) => Some(values),
            _ => None,
        })
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, ApiError> {
        self.of_type(name, "a number", |value| value.as_f64())
    }

    /// A number from `least` to `most`.
    pub(super) fn number_within(
        &mut self,
        name: &str,
        least: f64,
        most: f64,
    ) -> Result<Option<f64>, ApiError> {
        self.of_type(name, &format!("a number from {least} to {most}"), |value| {
            value.as_f64().filter(|number| (least..=most).contains(number))
        })
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<usize>, ApiError> {
        self.of_type(name, "a whole number, 0 or more", |value| whole(&value))
    }

    /// A whole number from `least` to `most`.
    pub(super) fn count_within(
        &mut self,
        name: &str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, ApiError> {
        self.of_type(name, &format!("a whole number from {least} to {most}"), |value| {
            whole(&value).filter(|number| (least..=most).contains(number))
        })
    }

    /// Negative seeds are seeds too.
    pub(super) fn seed(&mut self) -> Result<Option<u64>, ApiError> {
        self.of_type("seed", "a whole number of 64 bits", |value| {
            value.as_u64().or_else(|| value.as_i64().map(|seed| seed as u64)).or_else(|| {
                // A whole number may be written 1.0.
                let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
                Some(number as i64 as u64)
            })
        })
    }

    /// A field that is let through where its value asks for nothing: clients send such unasked.
    pub(super) fn asks_nothing(&mut self, name: &str, nothing: &Value) -> Result<(), ApiError> {
        match self.take(name) {
            Some(value) if !same(&value, nothing) => {
                let name = self.name(name);
                Err(ApiError::unsupported(&name, format!("`{name}`: this server supports only {nothing}")))
            }
            _ => Ok(()),
        }
    }

    /// Every field, where all names are allowed.
    pub(super) fn all(self) -> impl Iterator<Item = (String, Value)> {
        self.fields.into_iter().filter(|(_, value)| !value.is_null())
    }

    /// Refuses what nobody has taken.
    pub(super) fn refuse_the_rest(&self) -> Result<(), ApiError> {
        match self.fields.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((name, _)) => {
                let name = self.name(name);
                Err(ApiError::unsupported(&name, format!("`{name}`: this server does not support it")))
            }
        }
    }
}

/// A whole number, which JSON may write 1.0.
fn whole(value: &Value) -> Option<usize> {
    let of_float = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number));
    let number = value.as_u64().or_else(|| of_float().map(|number| number as u64));
    number.and_then(|number| usize::try_from(number).ok())
}

/// Equal as JSON means it: 0 is 0.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq() || (a == 0.0 && b == 0.0),
        _ => a == b,
    }
}
