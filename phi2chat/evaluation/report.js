"use strict";
// Hides what the chosen filters leave out; without scripts everything is there to be read.
const form = document.querySelector(".filters");
const probes = [...document.querySelectorAll(".probe")];
const shown = form.querySelector("output");

const first = form.elements.model.options[1]?.value; // the model that the others are compared with

function isChosen(reply, wanted) {
  return (!wanted.model || reply.dataset.model === wanted.model)
    && (!wanted.recipe || reply.dataset.recipe === wanted.recipe);
}

// Whether the first model, asked in the same way, had the one verdict, and this reply has the other.
function moved(reply, replies, from, to) {
  return reply.dataset.verdict === to && replies.some((other) => other.dataset.model === first
    && other.dataset.verdict === from
    && other.dataset.recipe === reply.dataset.recipe && other.dataset.sample === reply.dataset.sample);
}

function fits(reply, wanted) {
  return isChosen(reply, wanted)
    && (!wanted.verdict || reply.dataset.verdict === wanted.verdict)
    && (wanted.see !== "script" || reply.dataset.script === "wrong")
    && (wanted.see !== "form" || reply.dataset.form === "broken");
}

function differs(replies) {
  return new Set(replies.map((reply) => reply.dataset.verdict)).size > 1;
}

function filter() {
  const wanted = Object.fromEntries(new FormData(form));
  const words = wanted.words.toLowerCase();
  let count = 0;
  for (const probe of probes) {
    const replies = [...probe.querySelectorAll(".reply")];
    const fitting = replies.filter((reply) => fits(reply, wanted)
      && (wanted.see !== "fixed" || moved(reply, replies, "wrong", "right"))
      && (wanted.see !== "broken" || moved(reply, replies, "right", "wrong")));
    const isShown = fitting.length > 0
      && (!wanted.category || probe.dataset.category === wanted.category)
      && (wanted.see !== "differ" || differs(replies))
      && (!words || probe.textContent.toLowerCase().includes(words));
    probe.hidden = !isShown;
    count += isShown;
    for (const reply of replies) reply.hidden = !isChosen(reply, wanted);
  }
  shown.textContent = `${count} of ${probes.length} probes`;
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
