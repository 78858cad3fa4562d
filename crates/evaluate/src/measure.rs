//! One model after another through every measurement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use artifact::canaries::Canaries;
use artifact::conversation::Message;
use artifact::report::{ModelReport, Outcome, Report, Sample, Speed};
use artifact::response;
use model::chat::Chat;

use crate::answers::{self, Verdict};
use crate::choices::ChoiceSet;
use crate::course::Course;
use crate::figures::{self, Figures};
use crate::held_out::{Answer, Conversations, spread};
use crate::judge::{self, Entry};
use crate::memorisation::{self, Leaks};
use crate::nearest::Responses;
use crate::openai::Server;
use crate::replies::{self, Decoding, Reply};
use crate::reply_figures::{self, Case};
use crate::robustness::{self, Clean};
use crate::training_text::TrainingText;
use crate::{Arguments, diversity, loss, loss_figures, memory, outcomes, ranking, speed, talks};

/// What every model is measured on.
pub struct Task {
    conversations: Conversations,
    responses: Option<Responses>,
    questions: Vec<String>,
    choices: Vec<ChoiceSet>,
    /// Who judges, if anybody does.
    judge: Option<Server>,
    /// Turns that are judged.
    judge_turns: usize,
    samples: usize,
    /// Turns that are written otherwise.
    perturbed: usize,
    /// What is looked for in sampled replies; none where the training data is not at hand.
    leaks: Option<Leaks>,
    max_new_tokens: usize,
    seed: u64,
}

/// What has been measured so far.
pub struct Measured {
    /// The figures.
    pub report: Report,
    /// The sample talks.
    pub samples: Vec<Sample>,
    /// What each conversation adds to each model's figures.
    pub outcomes: Vec<Outcome>,
    /// Every model's figures, to be compared.
    figures: Vec<(String, Figures)>,
    /// Every model's replies to the turns that are judged.
    entries: Vec<(String, Vec<Entry>)>,
}

impl Task {
    /// Reads the held-out conversations and the responses of a data directory.
    pub fn read(arguments: &Arguments) -> artifact::Result<Self> {
        let conversations = Conversations::read(
            &arguments.data,
            arguments.limit.map(|limit| limit as usize),
            arguments.seed,
        )?;
        let responses = Responses::new(response::read(&arguments.data)?);
        let questions = if arguments.prompts.is_empty() {
            talks::QUESTIONS.map(str::to_owned).to_vec()
        } else {
            arguments.prompts.clone()
        };
        let replies = arguments.leak_samples as usize;
        let training = if replies > 0 { TrainingText::read(&arguments.data)? } else { None };
        let canaries = Canaries::read(&arguments.data)?;
        Ok(Self {
            conversations,
            leaks: training.map(|training| Leaks { training, canaries, replies, seed: arguments.seed }),
            responses: (!responses.is_empty()).then_some(responses),
            questions,
            choices: arguments.tasks.iter().map(|path| ChoiceSet::read(path)).collect::<Result<_, _>>()?,
            judge: judge::connect(arguments)?,
            judge_turns: arguments.judge_turns as usize,
            samples: arguments.samples as usize,
            perturbed: arguments.perturb as usize,
            max_new_tokens: arguments.max_new_tokens as usize,
            seed: arguments.seed,
        })
    }

    /// The places of the turns that are judged, among so many.
    fn judged_turns(&self, turns: usize) -> Vec<usize> {
        spread((0..turns).collect(), self.judge_turns, self.seed)
    }

    /// The conversations that the samples show, by their places.
    fn shown(&self) -> BTreeSet<usize> {
        let places = (0..self.conversations.chosen.len()).collect();
        spread(places, self.samples, self.seed).into_iter().collect()
    }
}

impl Measured {
    /// Nothing yet.
    pub fn new(task: &Task) -> Self {
        let shown = task.shown();
        let shown: Vec<Answer<'_>> =
            task.conversations.answers().filter(|answer| shown.contains(&answer.place)).collect();
        let mut samples = talks::of_questions(&task.questions);
        samples.extend(talks::of_conversations(&shown));
        let data = task.conversations.report(task.seed, task.responses.is_some());
        let report = Report { data, ..Report::default() };
        Self { report, samples, outcomes: Vec::new(), figures: Vec::new(), entries: Vec::new() }
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
        let talks = &task.conversations.chosen;
        let losses = loss::measure(chat, talks)?;
        let (mut figures, loss_parts) = loss_figures::figures(talks, &losses, task.seed);

        let answers: Vec<Answer<'_>> = task.conversations.answers().collect();
        let histories: Vec<&[Message]> = answers.iter().map(Answer::history).collect();
        let greedy = Decoding::greedy(chat, task.max_new_tokens);
        let sampling = Decoding::sampled(chat, task.max_new_tokens, task.seed);
        let mut replies = replies::replies(chat, &histories, &[greedy.clone(), sampling.clone()]);
        let (sampled, replies) = (replies.remove(1), replies.remove(0));
        let judged = answers::judge(&answers, &replies, task.responses.as_ref());
        let mut diversity = BTreeMap::new();
        let mut count = |decoding: &str, replies: &[Reply], verdicts: &[Option<Verdict>]| {
            let cases: Vec<Case<'_>> = answers
                .iter()
                .zip(replies.iter().zip(verdicts))
                .map(|(&answer, (reply, verdict))| Case { answer, reply, verdict: verdict.as_ref() })
                .collect();
            figures.extend(decoding, reply_figures::figures(&cases, talks.len(), task.seed));
            let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
            diversity.insert(decoding.to_owned(), diversity::diversity(&texts, task.seed));
        };
        count("greedy", &replies, &judged.verdicts);
        count("sampled", &sampled, &answers::verdicts(&answers, &sampled, task.responses.as_ref()));

        let chosen = spread((0..answers.len()).collect(), task.perturbed, task.seed);
        let few =
            |place: &usize| (answers[*place], (replies[*place].clone(), judged.verdicts[*place].clone()));
        let (few, (few_replies, few_verdicts)): (Vec<_>, (Vec<_>, Vec<_>)) = chosen.iter().map(few).unzip();
        let clean = Clean {
            answers: &few,
            replies: &few_replies,
            verdicts: &few_verdicts,
            conversations: talks.len(),
        };
        let robustness = robustness::measure(chat, &clean, task.responses.as_ref(), &greedy, task.seed);

        self.outcomes.extend(outcomes::of_model(name, talks, &losses, &answers, &replies, &judged.verdicts));
        let memorisation = match &task.leaks {
            Some(leaks) => Some(memorisation::measure(chat, &answers, &sampled, &sampling, leaks)?),
            None => None,
        };

        if task.judge.is_some() {
            let entries = task.judged_turns(answers.len()).into_iter().map(|place| Entry {
                text: replies[place].text.clone(),
                correct: judged.verdicts[place].as_ref().map(|verdict| verdict.correct),
            });
            self.entries.push((name.to_owned(), entries.collect()));
        }
        talks::answer_questions(&mut self.samples, name, chat, &greedy);
        let shown = task.shown();
        let shown: Vec<(&Reply, &Option<Verdict>)> = answers
            .iter()
            .zip(replies.iter().zip(&judged.verdicts))
            .filter(|(answer, _)| shown.contains(&answer.place))
            .map(|(_, judged)| judged)
            .collect();
        talks::answer_conversations(&mut self.samples, name, &shown);

        let targets = losses.iter().flatten().map(|turn| turn.targets as usize).sum();
        let single = speed::measure(chat, &task.questions);
        self.report.models.push(ModelReport {
            name: name.to_owned(),
            model_type: model_type.to_owned(),
            parameters: chat.model.parameters(),
            vocab_size: chat.model.vocab_size(),
            context_length: chat.model.context_length(),
            memory: Some(memory::of_serving(chat.model.as_ref())),
            training: course.training,
            loss_nats_per_token: figures.value("loss_nats_per_token").unwrap_or_default(),
            perplexity: figures.value("perplexity").unwrap_or_default(),
            bits_per_byte: figures.value("bits_per_byte").unwrap_or_default(),
            action_accuracy: judged.action_accuracy(),
            context_recall: judged.context_recall(),
            counts: artifact::report::Counts { targets, ..judged.counts },
            figures: figures.estimates(),
            diversity,
            loss_parts,
            action_accuracy_by_topic: judged.by_topic,
            context_recall_by_slot: judged.by_slot,
            context_recall_by_distance: judged.by_distance,
            confusions: judged.confusions,
            confusion_table: judged.confusion_table,
            robustness,
            tasks: task.choices.iter().map(|set| set.measure(chat, task.seed)).collect::<Result<_, _>>()?,
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
        self.figures.push((name.to_owned(), figures));
        self.report.comparisons = figures::comparisons(&self.figures);
        Ok(())
    }

    /// Has the replies of every two models judged, where the task names a judge.
    ///
    /// # Errors
    /// When the judge stops answering.
    pub fn judge(&mut self, task: &Task) -> anyhow::Result<()> {
        let Some(server) = &task.judge else { return Ok(()) };
        let answers: Vec<Answer<'_>> = task.conversations.answers().collect();
        let turns = task.judged_turns(answers.len()).into_iter().map(|place| judge::Turn {
            history: answers[place].history().to_vec(),
            reference: answers[place].message.content.clone(),
        });
        self.report.judge = Some(judge::judge(server, &turns.collect::<Vec<_>>(), &self.entries)?);
        Ok(())
    }
}
