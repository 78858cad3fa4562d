//! One model after another through every measurement.

use std::time::Instant;

use artifact::canaries::Canaries;
use artifact::conversation::Message;
use artifact::report::{ModelReport, Outcome, Report, Sample, Speed};
use artifact::response;
use model::chat::Chat;

use crate::answers::{self, Verdict};
use crate::course::Course;
use crate::held_out::{Answer, Conversations, answers_of, spread};
use crate::memorisation::{self, Leaks};
use crate::nearest::Responses;
use crate::replies::{self, Reply};
use crate::training_text::TrainingText;
use crate::{Arguments, loss, memory, outcomes, ranking, speed, talks};

/// What every model is measured on.
pub struct Task {
    conversations: Conversations,
    responses: Option<Responses>,
    questions: Vec<String>,
    samples: usize,
    /// What is looked for in replies; none where the training data is not at hand.
    leaks: Option<Leaks>,
    max_new_tokens: usize,
    seed: u64,
}

/// A turn that every model answers.
struct Asked<'a> {
    answer: Answer<'a>,
    /// Whether the samples show it.
    shown: bool,
}

/// What has been measured so far.
pub struct Measured {
    /// The figures.
    pub report: Report,
    /// The sample talks.
    pub samples: Vec<Sample>,
    /// What each conversation adds to each model's figures.
    pub outcomes: Vec<Outcome>,
}

impl Task {
    /// Reads the held-out conversations and the responses of a data directory.
    pub fn read(arguments: &Arguments) -> artifact::Result<Self> {
        let conversations = Conversations::read(&arguments.data, arguments.limit as usize, arguments.seed)?;
        let responses = Responses::new(response::read(&arguments.data)?);
        let questions = if arguments.prompts.is_empty() {
            talks::QUESTIONS.map(str::to_owned).to_vec()
        } else {
            arguments.prompts.clone()
        };
        let max_new_tokens = arguments.max_new_tokens as usize;
        let training = if arguments.leak_samples > 0 { TrainingText::read(&arguments.data)? } else { None };
        let canaries = Canaries::read(&arguments.data)?;
        let (replies, seed) = (arguments.leak_samples as usize, arguments.seed);
        let leaks = training.map(|training| Leaks { training, canaries, replies, max_new_tokens, seed });
        Ok(Self {
            conversations,
            leaks,
            responses: (!responses.is_empty()).then_some(responses),
            questions,
            samples: arguments.samples as usize,
            max_new_tokens,
            seed,
        })
    }

    /// The turns that need a reply: to be judged, or to be shown.
    fn asked(&self) -> Vec<Asked<'_>> {
        let talks = &self.conversations.chosen;
        let mut shown = spread((0..talks.len()).collect(), self.samples, self.seed).into_iter().peekable();
        let mut asked = Vec::new();
        for (place, talk) in talks.iter().enumerate() {
            let shown = shown.next_if_eq(&place).is_some();
            let answers = answers_of(talk);
            asked.extend(answers.map(|answer| Asked { answer, shown }).filter(|asked| {
                let judged = self.responses.is_some() && asked.answer.message.action.is_some();
                judged || asked.shown || !asked.answer.message.recall.is_empty()
            }));
        }
        asked
    }
}

impl Measured {
    /// Nothing yet.
    pub fn new(task: &Task) -> Self {
        let shown: Vec<Answer<'_>> =
            task.asked().into_iter().filter(|asked| asked.shown).map(|asked| asked.answer).collect();
        let mut samples = talks::of_questions(&task.questions);
        samples.extend(talks::of_conversations(&shown));
        let data = task.conversations.report(task.seed, task.responses.is_some());
        Self { report: Report { data, ..Report::default() }, samples, outcomes: Vec::new() }
    }

    /// Measures one more model.
    ///
    /// # Errors
    /// When the model cannot read the conversations, or gives no usable probabilities.
    pub fn add(
        &mut self,
        task: &Task,
        name: &str,
        model_type: &str,
        chat: &Chat,
        course: Course,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let (losses, loss) = loss::measure(chat, &task.conversations.chosen)?;

        let asked = task.asked();
        let answers: Vec<Answer<'_>> = asked.iter().map(|asked| asked.answer).collect();
        let histories: Vec<&[Message]> = answers.iter().map(Answer::history).collect();
        let settings = replies::greedy_settings(chat, task.max_new_tokens);
        let replies = replies::replies(chat, &histories, &settings);
        let judged = answers::judge(&answers, &replies, task.responses.as_ref());

        let conversations = &task.conversations;
        let outcomes = outcomes::of_model(name, conversations, &losses, &answers, &replies, &judged.verdicts);
        self.outcomes.extend(outcomes);

        talks::answer_questions(&mut self.samples, name, chat, &settings);
        let shown: Vec<(&Reply, &Option<Verdict>)> = asked
            .iter()
            .zip(replies.iter().zip(&judged.verdicts))
            .filter(|(asked, _)| asked.shown)
            .map(|(_, judged)| judged)
            .collect();
        talks::answer_conversations(&mut self.samples, name, &shown);

        let all: Vec<Answer<'_>> = conversations.answers().collect();
        let memorisation =
            task.leaks.as_ref().map(|leaks| memorisation::measure(chat, &all, leaks)).transpose()?;
        let single = speed::measure(chat, &task.questions);
        self.report.models.push(ModelReport {
            name: name.to_owned(),
            model_type: model_type.to_owned(),
            parameters: chat.model.parameters(),
            vocab_size: chat.model.vocab_size(),
            context_length: chat.model.context_length(),
            memory: Some(memory::of_serving(chat.model.as_ref())),
            training: course.training,
            loss_nats_per_token: loss.nats_per_token(),
            perplexity: loss.perplexity(),
            bits_per_byte: loss.bits_per_byte(self.report.data.assistant_bytes),
            action_accuracy: judged.action_accuracy(),
            context_recall: judged.context_recall(),
            counts: artifact::report::Counts { targets: loss.targets, ..judged.counts },
            action_accuracy_by_topic: judged.by_topic,
            context_recall_by_slot: judged.by_slot,
            confusions: judged.confusions,
            memorisation,
            learning_curve: course.learning_curve,
            ..ModelReport::default()
        });
        let speed = Speed {
            tokens_per_second: single.tokens_per_second,
            seconds_to_first_token: single.seconds_to_first_token,
            by_context: speed::by_context(chat.model.as_ref()),
            threads: rayon::current_num_threads(),
            evaluation_seconds: began.elapsed().as_secs_f64(),
        };
        self.report.speed.insert(name.to_owned(), speed);
        self.report.ranking = ranking::ranking(&self.report);
        Ok(())
    }
}
