//! The committed JSON Schemas are those of the types.

use std::path::Path;

use artifact::schema;

/// `UPDATE_SCHEMAS=1 cargo test --release -p artifact --test formats` writes them anew.
#[test]
fn the_committed_schemas_are_up_to_date() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut expected = Vec::new();
    for (name, schema) in schema::all() {
        let path = dir.join(name);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if update {
            fs_err::create_dir_all(&dir).unwrap();
            fs_err::write(&path, &text).unwrap();
        }
        let committed = fs_err::read_to_string(&path).unwrap();
        assert!(committed == text, "{} is out of date: run the test with UPDATE_SCHEMAS=1", path.display());
        expected.push(path);
    }
    let mut found: Vec<_> = fs_err::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found, expected, "a schema of no type");
}

#[test]
fn every_type_and_field_is_described() {
    fn check(name: &str, path: &str, value: &serde_json::Value) {
        if let Some(properties) = value["properties"].as_object() {
            for (field, schema) in properties {
                // A tag holds one value, which says what it is.
                let said = schema.get("description").is_some() || schema.get("const").is_some();
                assert!(said, "{name}: {path}/{field} has no description");
            }
        }
        match value {
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(key, value)| check(name, &format!("{path}/{key}"), value));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| check(name, path, value)),
            _ => {}
        }
    }
    for (name, schema) in schema::all() {
        check(name, "", schema.as_value());
    }
}
