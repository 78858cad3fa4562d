// The chat page: a talk with the model of this server, kept in this browser alone.

const STORED = "naman.talk";
/** Where the key is kept that the server asks for, if it does. */
const KEY = "naman.key";
/** The most messages kept; the model reads only what its context holds anyway. */
const KEPT = 400;

const WORDS = {
  ko: {
    greeting: "무슨 이야기를 할까요?",
    privacy: "대화는 이 브라우저에만 남습니다. 사실과 다른 말을 할 수 있습니다.",
    starters: ["안녕하세요", "너 이름이 뭐야?", "오늘 날씨가 어때요?"],
    newTalk: "새 대화",
    placeholder: "메시지를 입력하세요",
    send: "보내기",
    stop: "멈추기 (Esc)",
    you: "나: ",
    bot: "봇: ",
    stopped: "(멈춤)",
    cut: "(길이 제한)",
    retry: "다시 시도",
    offline: "서버에 닿지 못했습니다.",
    broken: "답이 도중에 끊겼습니다.",
    busy: "지금 요청이 많습니다. 잠시 뒤에 다시 시도해 주세요.",
    tooLong: "메시지가 모델이 읽을 수 있는 것보다 깁니다.",
    failed: "서버에서 오류가 났습니다.",
    empty: "(할 말이 없습니다)",
    key: "이 서버의 키를 입력하세요",
    dropped: "대화가 길어져 모델은 가장 오래된 말들을 읽지 못합니다.",
  },
  en: {
    greeting: "What shall we talk about?",
    privacy: "The talk stays in this browser. What the bot says may be wrong.",
    starters: ["Hello", "What is your name?", "How is the weather today?"],
    newTalk: "New talk",
    placeholder: "Type a message",
    send: "Send",
    stop: "Stop (Esc)",
    you: "You: ",
    bot: "Bot: ",
    stopped: "(stopped)",
    cut: "(length limit)",
    retry: "Try again",
    offline: "The server could not be reached.",
    broken: "The reply broke off.",
    busy: "Too many requests just now. Please try again in a moment.",
    tooLong: "The message is longer than the model can read.",
    failed: "The server reported an error.",
    empty: "(nothing to say)",
    key: "Enter a key of this server",
    dropped: "The talk has grown long: the model no longer reads its oldest turns.",
  },
};

const lang = navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
const words = WORDS[lang];
const byId = (id) => document.getElementById(id);
const page = {
  scroll: byId("scroll"),
  welcome: byId("welcome"),
  talk: byId("talk"),
  notice: byId("notice"),
  composer: byId("composer"),
  input: byId("input"),
  send: byId("send"),
};
/** On a touch keyboard Enter is the only way to a new line. */
const touch = matchMedia("(pointer: coarse)").matches;

/** `{role, content, cut?}`: `cut` says why a reply is not whole ("stopped" or "cut"). */
let messages = stored();
/** The key that the server asks for, once it is known. */
let key = storedKey();
/** The AbortController of the reply that is being written. */
let reply = null;

// --- What is kept ---

function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    const whole = (message) =>
      ["user", "assistant"].includes(message?.role) && typeof message.content === "string";
    return Array.isArray(kept) ? kept.filter(whole) : [];
  } catch {
    return [];
  }
}

function storedKey() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function keep() {
  messages = messages.slice(-KEPT);
  try {
    localStorage.setItem(STORED, JSON.stringify(messages));
  } catch {
    // No storage (a private window, a full disk): the talk lives as long as the page.
  }
}

// --- What is seen ---

/** Adds an empty turn; its words go into `text`. */
function addTurn(role) {
  const turn = document.createElement("div");
  turn.className = `turn ${role}`;
  const speaker = document.createElement("span");
  speaker.className = "speaker";
  speaker.textContent = role === "user" ? words.you : words.bot;
  const text = document.createElement("span");
  turn.append(speaker, text);
  page.talk.append(turn);
  page.welcome.hidden = true;
  return { turn, text };
}

function show({ role, content, cut }) {
  const { turn, text } = addTurn(role);
  finishTurn(turn, text, content, cut);
}

function finishTurn(turn, text, content, cut) {
  turn.classList.remove("waiting");
  text.textContent = content || words.empty;
  if (cut) {
    turn.classList.add("cut");
    turn.dataset.cut = words[cut] ?? "";
  }
}

function showAll() {
  page.talk.replaceChildren();
  page.welcome.hidden = messages.length > 0;
  for (const message of messages) {
    show(message);
  }
  // The page was closed, or reloaded, before an answer came.
  if (messages.at(-1)?.role === "user") {
    showError(words.broken);
  }
  toEnd();
}

function showError(text) {
  const error = document.createElement("div");
  error.className = "error";
  error.role = "alert";
  const message = document.createElement("span");
  message.textContent = text;
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = words.retry;
  again.addEventListener("click", () => {
    if (!reply) {
      error.remove();
      page.input.focus();
      answer();
    }
  });
  error.append(message, again);
  page.talk.append(error);
}

const atEnd = () => page.scroll.scrollHeight - page.scroll.scrollTop - page.scroll.clientHeight < 80;
const toEnd = () => {
  page.scroll.scrollTop = page.scroll.scrollHeight;
};

function setBusy(controller) {
  reply = controller;
  const busy = controller !== null;
  document.body.classList.toggle("busy", busy);
  page.talk.ariaBusy = String(busy);
  page.send.ariaLabel = busy ? words.stop : words.send;
  page.send.title = page.send.ariaLabel;
  fitInput();
}

function fitInput() {
  page.input.style.height = "auto";
  page.input.style.height = `${page.input.scrollHeight}px`;
  page.send.disabled = !reply && page.input.value.trim() === "";
}

// --- Talking ---

function say(text) {
  page.talk.querySelectorAll(".error").forEach((error) => error.remove());
  // A question that got no answer gives way: two in a row are nothing the model has seen.
  if (messages.at(-1)?.role === "user") {
    messages.pop();
    page.talk.lastElementChild?.remove();
  }
  const message = { role: "user", content: text };
  messages.push(message);
  keep();
  show(message);
  toEnd();
  answer();
}

/** Asks for the reply to the talk as it stands, and shows it as it comes. */
async function answer() {
  const controller = new AbortController();
  const asked = messages;
  setBusy(controller);
  const { turn, text } = addTurn("assistant");
  turn.classList.add("waiting");
  toEnd();
  const message = { role: "assistant", content: "" };
  let problem = null;
  try {
    for await (const choice of completion(asked, controller.signal)) {
      const follow = atEnd();
      const more = choice.delta?.content ?? "";
      if (more) {
        turn.classList.remove("waiting");
        message.content += more;
        text.append(more);
      }
      if (choice.finish_reason === "length") {
        message.cut = "cut";
      }
      if (follow) {
        toEnd();
      }
    }
  } catch (error) {
    if (controller.signal.aborted) {
      message.cut = "stopped";
    } else {
      problem = error instanceof Failure ? error.message : words.offline;
    }
  }
  // A new talk was begun meanwhile.
  if (reply !== controller) {
    return;
  }
  const follow = atEnd();
  if (message.cut === "stopped" && message.content === "") {
    problem = words.stopped;
  }
  if (problem !== null) {
    turn.remove();
    showError(problem);
  } else {
    finishTurn(turn, text, message.content, message.cut);
    messages.push(message);
    keep();
  }
  setBusy(null);
  if (follow) {
    toEnd();
  }
}

/** A problem whose message is meant for the person. */
class Failure extends Error {}

/** As `fetch`, with the key that the server asks for, which is asked of the person where it is not known. */
async function ask(path, options) {
  const send = () => {
    const shown = key ? { authorization: `Bearer ${key}` } : {};
    return fetch(path, { ...options, headers: { ...options.headers, ...shown } });
  };
  const response = await send();
  const given = response.status === 401 ? window.prompt(words.key)?.trim() : null;
  if (!given) {
    return response;
  }
  key = given;
  try {
    localStorage.setItem(KEY, key);
  } catch {
    // It is asked for again when the page is.
  }
  return send();
}

/** The choices of a streamed completion, one by one. */
async function* completion(talk, signal) {
  const sent = talk.map(({ role, content }) => ({ role, content }));
  const response = await ask("v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: sent, stream: true, truncation: "auto" }),
    signal,
  });
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Failure(explain(response.status, body?.error));
  }
  const dropped = Number(response.headers.get("x-naman-dropped-messages") ?? 0);
  page.notice.textContent = dropped > 0 ? words.dropped : "";
  for await (const data of events(response.body)) {
    if (data === "[DONE]") {
      return;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) {
      throw new Failure(explain(500, chunk.error));
    }
    yield* chunk.choices;
  }
  throw new Failure(words.broken);
}

/** The data of server-sent events. A piece may end anywhere: inside a character, a line, or an event. */
async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) {
            yield data.join("\n");
          }
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(5).replace(/^ /, ""));
        }
      }
      if (done) {
        return;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function explain(status, error) {
  if (status === 429) {
    return words.busy;
  }
  if (status === 413 || (status === 400 && error?.param === "messages")) {
    return words.tooLong;
  }
  return error?.message ? `${words.failed} (${error.message})` : words.failed;
}

// --- What a person does ---

page.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  // With a finger, the keyboard gives way to the reply.
  if (!touch) {
    page.input.focus();
  }
  if (reply) {
    reply.abort();
    return;
  }
  const text = page.input.value.trim();
  if (text === "") {
    return;
  }
  page.input.value = "";
  fitInput();
  say(text);
});

page.input.addEventListener("input", fitInput);

page.input.addEventListener("keydown", (event) => {
  // While a syllable is being composed, Enter belongs to the input method. Safari reports the end of the composition
  // before the key, and marks the key by the code 229.
  const composing = event.isComposing || event.keyCode === 229;
  if (event.key !== "Enter" || composing || event.shiftKey || touch) {
    return;
  }
  event.preventDefault();
  if (!reply) {
    page.composer.requestSubmit();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && reply) {
    reply.abort();
  }
});

byId("new").addEventListener("click", () => {
  const writing = reply;
  setBusy(null);
  writing?.abort();
  messages = [];
  keep();
  page.notice.textContent = "";
  showAll();
  page.input.focus();
});

/** iOS lays the keyboard over the page; the page then fits into what is left. */
function fitViewport() {
  const { height, scale } = window.visualViewport;
  const covered = scale < 1.01 && window.innerHeight - height > 1;
  document.documentElement.style.setProperty("--viewport", covered ? `${height}px` : "100dvh");
  if (covered) {
    window.scrollTo(0, 0);
    toEnd();
  }
}

function begin() {
  document.documentElement.lang = lang;
  byId("greeting").textContent = words.greeting;
  byId("privacy").textContent = words.privacy;
  byId("new").textContent = words.newTalk;
  page.input.placeholder = words.placeholder;
  page.input.ariaLabel = words.placeholder;
  page.input.enterKeyHint = touch ? "enter" : "send";
  for (const starter of words.starters) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = starter;
    button.addEventListener("click", () => {
      if (!reply) {
        say(starter);
      }
    });
    const item = document.createElement("li");
    item.append(button);
    byId("starters").append(item);
  }
  window.visualViewport?.addEventListener("resize", fitViewport);
  setBusy(null);
  showAll();
  if (!touch) {
    page.input.focus();
  }
  ask("v1/models", {})
    .then((response) => response.json())
    .then(({ data: [model] }) => {
      byId("name").textContent = model.id;
      document.title = model.id;
    })
    .catch(() => {
      // The name is a nicety; a server that is away shows itself at the first message.
    });
}

begin();
