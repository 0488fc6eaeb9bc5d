"use strict";
// Hides what the chosen filters leave out; without scripts everything is there to be read.
const form = document.querySelector(".filters");
const probes = [...document.querySelectorAll(".probe")];
const shown = form.querySelector("output");

function fits(reply, wanted) {
  return (!wanted.model || reply.dataset.model === wanted.model)
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
    const fitting = replies.filter((reply) => fits(reply, wanted));
    const isShown = fitting.length > 0
      && (!wanted.category || probe.dataset.category === wanted.category)
      && (wanted.see !== "differ" || differs(replies))
      && (!words || probe.textContent.toLowerCase().includes(words));
    probe.hidden = !isShown;
    count += isShown;
    for (const reply of replies) reply.hidden = wanted.model !== "" && reply.dataset.model !== wanted.model;
  }
  shown.textContent = `${count} of ${probes.length} probes`;
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
