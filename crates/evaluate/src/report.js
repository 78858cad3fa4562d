"use strict";
const root = document.documentElement;
const buttons = [...document.querySelectorAll("[data-language]")];

function speak(language) {
  root.lang = language;
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

for (const button of buttons) {
  button.addEventListener("click", () => speak(button.dataset.language));
}
speak(root.lang);

const filter = document.getElementById("filter");
const talks = [...document.querySelectorAll(".talk")];
const shown = document.getElementById("shown");

function sift() {
  const wanted = filter.value.trim().toLowerCase();
  for (const talk of talks) {
    talk.hidden = !talk.textContent.toLowerCase().includes(wanted);
  }
  shown.textContent = `${talks.filter((talk) => !talk.hidden).length} / ${talks.length}`;
}

filter.addEventListener("input", sift);
sift();
