"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const STAGES = {
  stage1: { name: "Stage 1: lips from speech", asks: "One face whose lips can be followed, with clear speech of its own?" },
  stage2: { name: "Stage 2: a face from lines", asks: "A large, sharp, well lit face in colour?" },
};
const UNEXPLAINED = "fit by eye and ear";
const at = (id) => document.getElementById(id);
const film = at("film");
let state = null; // what is saved: by, place, answers by clip and stage
let active = 0, address = "";

const item = () => DATA.items[state.place];
const answer = (stage) => ((state.answers[item().clip] ??= {})[stage] ??= { keep: null, reason: "" });
// a letter or two is a key meant for the next stage, not a reason
const isAnswered = (label) => label && (label.keep === true || (label.keep === false && label.reason.trim().length > 2));
const complete = ({ clip, stages }) => stages.every((stage) => isAnswered(state.answers[clip]?.[stage]));
const labelled = () => DATA.items.filter(complete).length;
const slot = () => `heterodub-label-${DATA.draw}`;

function keep() {
  try { localStorage.setItem(slot(), JSON.stringify(state)); } catch { /* a browser that keeps nothing */ }
}

function recalled() {
  try { return JSON.parse(localStorage.getItem(slot())); } catch { return null; }
}

function element(tag, parent, className, text) {
  const created = parent.appendChild(document.createElement(tag));
  if (className) created.className = className;
  if (text !== undefined) created.textContent = text;
  return created;
}

function only(id) {
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== id;
  window.scrollTo(0, 0);
}

function question(stage, number) {
  const card = element("div", at("questions"), `question ${stage}`);
  card.setAttribute("role", "group");
  card.setAttribute("aria-label", STAGES[stage].name);
  const words = element("div", card), answers = element("div", card, "answers"), why = element("div", card, "why");
  element("b", words, "", STAGES[stage].name);
  element("small", words, "", STAGES[stage].asks);
  for (const [word, value] of [["Keep", true], ["Refuse", false]]) {
    const button = element("button", answers, word.toLowerCase(), word);
    button.type = "button";
    button.setAttribute("aria-label", `${STAGES[stage].name}: ${word}`);
    button.addEventListener("click", () => { active = number; decide(value); });
  }
  const field = element("input", why);
  field.setAttribute("list", `${stage}-reasons`);
  field.placeholder = "why? choose, or write";
  field.maxLength = 300;
  field.setAttribute("aria-label", `${STAGES[stage].name}: reason`);
  field.value = answer(stage).reason;
  element("small", why);
  field.addEventListener("focus", () => { active = number; draw(); });
  field.addEventListener("input", () => { answer(stage).reason = field.value; keep(); draw(); });
}

function show(place) {
  state.place = place;
  keep();
  film.pause();
  if (address) URL.revokeObjectURL(address);
  const bytes = Uint8Array.from(atob(item().film), (letter) => letter.charCodeAt(0));
  film.src = address = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  at("questions").replaceChildren();
  item().stages.forEach(question);
  active = Math.max(0, item().stages.findIndex((stage) => !isAnswered(answer(stage))));
  only("rate");
  draw();
  play();
}

function draw() {
  const total = DATA.items.length, done = labelled(), bar = document.querySelector(".bar");
  bar.firstElementChild.style.width = `${(100 * done) / total}%`;
  bar.setAttribute("aria-valuemax", total);
  bar.setAttribute("aria-valuenow", done);
  at("where").textContent = `Clip ${state.place + 1} of ${total}, ${done} labelled`;
  document.querySelectorAll(".question").forEach((card, number) => {
    const stage = item().stages[number], said = answer(stage);
    card.classList.toggle("active", number === active);
    card.querySelector(".keep").setAttribute("aria-pressed", said.keep === true);
    card.querySelector(".refuse").setAttribute("aria-pressed", said.keep === false);
    card.querySelector(".why").hidden = said.keep !== false;
    const known = DATA.reasons[stage].find(({ code }) => code === said.reason.trim());
    card.querySelector(".why small").textContent = known ? known.text : "";
  });
  const open = item().stages.filter((stage) => !isAnswered(answer(stage)));
  at("back").disabled = state.place === 0;
  at("next").disabled = open.length > 0;
  at("next").textContent = state.place + 1 === total ? "Finish" : "Next";
  at("hint").textContent = open.some((stage) => answer(stage).keep === false) ? "A refusal needs a reason." : "";
}

function decide(value) {
  const stage = item().stages[active], card = document.querySelectorAll(".question")[active];
  answer(stage).keep = value;
  if (value) {
    const open = item().stages.findIndex((stage) => !isAnswered(answer(stage)));
    active = open < 0 ? active : open;
  }
  keep();
  draw();
  if (!value) card.querySelector("input").focus();
  else if (document.activeElement !== document.body) document.activeElement.blur();
}

function play() {
  film.currentTime = 0;
  film.play().catch(() => {}); // a browser may want a click first
}

function forward() {
  if (state.place + 1 < DATA.items.length) return show(state.place + 1);
  film.pause();
  const done = labelled(), total = DATA.items.length;
  at("summary").textContent = done === total ? `All ${total} clips are labelled.` : `${done} of ${total} clips are labelled; the file holds those.`;
  only("done");
  at("download").focus();
}

function next() {
  if (complete(item())) forward();
}

const field = (text) => '"' + (/^[=+\-@]/.test(text) ? "'" : "") + text.replaceAll('"', '""') + '"';

function download() {
  const lines = ["clip,stage,verdict,reason,by,draw"];
  for (const { clip, stages } of DATA.items.filter(complete)) {
    for (const stage of stages) {
      const { keep: kept, reason } = state.answers[clip][stage];
      const said = kept ? UNEXPLAINED : reason.trim();
      lines.push([clip, stage, kept ? "keep" : "refuse", said, state.by, DATA.draw].map(field).join(","));
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
}

function pressed(event) {
  if (at("rate").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const writes = event.target instanceof HTMLInputElement, onButton = event.target instanceof HTMLButtonElement;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, count = item().stages.length;
  if (writes && key !== "Enter" && key !== "Escape") return;
  if (writes) {
    event.target.blur();
    const open = item().stages.findIndex((stage) => !isAnswered(answer(stage)));
    if (open >= 0) active = open;
    else if (key === "Enter") return next();
    draw();
  } else if (key === "k") decide(true);
  else if (key === "r") decide(false);
  else if (key === "s") forward();
  else if (key === "ArrowDown") { active = (active + 1) % count; draw(); }
  else if (key === "ArrowUp") { active = (active + count - 1) % count; draw(); }
  else if (key === "ArrowLeft" && state.place > 0) show(state.place - 1);
  else if (key === " " && !onButton) play();
  else if (key === "Enter" && !onButton) next();
  else return;
  event.preventDefault();
}

for (const [stage, reasons] of Object.entries(DATA.reasons)) {
  for (const { code, text } of reasons) element("option", at(`${stage}-reasons`), "", text).value = code;
}
at("next").addEventListener("click", () => { next(); at("next").blur(); });
at("skip").addEventListener("click", () => { forward(); at("skip").blur(); });
at("back").addEventListener("click", () => { if (state.place > 0) show(state.place - 1); at("back").blur(); });
at("again").addEventListener("click", () => show(DATA.items.length - 1));
at("save").addEventListener("click", () => { download(); at("save").blur(); });
at("download").addEventListener("click", download);
document.addEventListener("keydown", pressed);
at("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const by = at("by").value.trim();
  if (!by) return;
  state = { place: 0, answers: {}, ...recalled(), by };
  document.activeElement.blur();
  show(state.place);
});

at("count").textContent = DATA.items.length;
at("by").value = recalled()?.by ?? "";
at("by").focus();
