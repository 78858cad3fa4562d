//! Rendering equals `transformers`: `fixtures/chat_templates.py` wrote what is expected.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, too")]

use std::collections::HashMap;

use artifact::conversation::Message;
use artifact::tokenizer::{ChatTokenizer, TokenizerConfig};
use serde::Deserialize;
use tokenizers::Tokenizer;

#[derive(Deserialize)]
struct Fixture {
    templates: Vec<Template>,
}

#[derive(Deserialize)]
struct Template {
    name: String,
    tokenizer: serde_json::Value,
    bos_token: String,
    eos_token: String,
    template: String,
    conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Message>,
    tokens: Vec<u32>,
    /// 1 where `transformers` found the token inside `{% generation %}`.
    assistant: Vec<u8>,
    prompt: Vec<u32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/chat_templates.json")).unwrap()
}

impl Template {
    fn tokenizer(&self) -> ChatTokenizer {
        let tokenizer = Tokenizer::from_bytes(self.tokenizer.to_string()).unwrap();
        let config = TokenizerConfig {
            bos_token: Some(self.bos_token.clone()),
            eos_token: Some(self.eos_token.clone()),
            ..TokenizerConfig::default()
        };
        ChatTokenizer::new(tokenizer, config, self.template.clone()).unwrap()
    }
}

#[test]
fn tokens_targets_and_prompts_equal_those_of_transformers() {
    let fixture = fixture();
    assert_eq!(fixture.templates.len(), 3);
    for template in fixture.templates {
        let tokenizer = template.tokenizer();
        for (index, conversation) in template.conversations.iter().enumerate() {
            let name = format!("{} {index}", template.name);
            let rendered = tokenizer.conversation(&conversation.messages).unwrap();
            assert_eq!(rendered.tokens, conversation.tokens, "tokens of {name}");
            assert_eq!(rendered.loss, conversation.assistant, "targets of {name}");
            assert_eq!(
                tokenizer.prompt(&conversation.messages).unwrap(),
                conversation.prompt,
                "prompt of {name}"
            );
        }
    }
}

#[test]
fn our_template_is_the_one_that_was_compared() {
    let templates: HashMap<String, String> =
        fixture().templates.into_iter().map(|template| (template.name, template.template)).collect();
    assert_eq!(templates["ours"], artifact::tokenizer::TEMPLATE);
}

#[test]
fn the_templates_own_complaint_is_told() {
    let llama = fixture().templates.into_iter().find(|template| template.name == "llama").unwrap();
    let error = llama.tokenizer().prompt(&[Message::assistant("먼저")]).unwrap_err().to_string();
    assert!(error.contains("roles must alternate user/assistant"), "{error}");
}
