//! A tokenizer small enough to be written out.

use artifact::tokenizer::{
    CONFIG_FILE, ChatTokenizer, FILE, SPECIAL, TEMPLATE, TEMPLATE_FILE, TokenizerConfig,
};
use serde_json::json;

/// A tokenizer whose tokens are bytes.
pub(crate) fn bytes_tokenizer() -> ChatTokenizer {
    let dir = tempfile::tempdir().unwrap();
    let mut vocab = serde_json::Map::new();
    for (id, special) in SPECIAL.iter().enumerate() {
        vocab.insert((*special).to_owned(), json!(id));
    }
    // The byte-level alphabet: printable bytes stand for themselves, the others follow from U+0100.
    let mut moved = 0;
    for byte in 0..=255_u32 {
        let printable = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if printable { byte } else { 0x100 + moved };
        moved += u32::from(!printable);
        vocab.insert(char::from_u32(code).unwrap().to_string(), json!(SPECIAL.len() as u32 + byte));
    }
    let added: Vec<_> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        })
        .collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": []}
    });
    fs_err::write(dir.path().join(FILE), tokenizer.to_string()).unwrap();
    artifact::json::write(&dir.path().join(CONFIG_FILE), &TokenizerConfig::default()).unwrap();
    fs_err::write(dir.path().join(TEMPLATE_FILE), TEMPLATE).unwrap();
    ChatTokenizer::read(dir.path()).unwrap()
}
