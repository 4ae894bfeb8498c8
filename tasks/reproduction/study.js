"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const QUESTIONS = [
  { id: "visual", name: "Visual quality", asks: "Does it look like a real, clear, fluent video?", least: "not at all", most: "like a real one" },
  { id: "sync", name: "Lip sync", asks: "Do the lips move with the speech?", least: "not at all", most: "perfectly" },
  { id: "identity", name: "Identity", asks: "Is it the person in the small picture?", least: "somebody else", most: "certainly" },
];
const GRADES = [1, 2, 3, 4, 5];
const at = (id) => document.getElementById(id);
const film = at("film");
let state = null; // what is saved: rater, form, place, answers by item
let active = 0, shownAt = 0, urls = {};

const order = () => DATA.forms[state.form];
const item = () => order()[state.place];
const answer = () => (state.answers[item()] ??= { grades: {}, plays: 0, seconds: 0, seen: false });
const complete = (given) => given && given.seen && QUESTIONS.every((q) => given.grades[q.id]);
const graded = () => order().filter((name) => complete(state.answers[name])).length;
const slot = (rater) => `heterodub-study-${DATA.study}-${rater}`;

function keep() {
  try { localStorage.setItem(slot(state.rater), JSON.stringify(state)); } catch { /* a browser that keeps nothing */ }
}

function recalled(rater) {
  try { return JSON.parse(localStorage.getItem(slot(rater))); } catch { return null; }
}

function element(tag, parent, className, text) {
  const made = parent.appendChild(document.createElement(tag));
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function explain() {
  at("count").textContent = DATA.forms[0].length;
  for (const q of QUESTIONS) {
    element("dt", at("explained"), "", q.name);
    element("dd", at("explained"), "", `${q.asks} 1: ${q.least}. 5: ${q.most}.`);
  }
}

function lay() {
  QUESTIONS.forEach((q, number) => {
    const card = element("div", at("questions"), "question");
    card.setAttribute("role", "group");
    card.setAttribute("aria-label", q.name);
    const words = element("div", card);
    element("b", words, "", q.name);
    element("small", words, "", q.asks);
    const scale = element("div", card, "scale");
    for (const grade of GRADES) {
      const button = element("button", scale, "grade", grade);
      button.type = "button";
      button.setAttribute("aria-label", `${q.name}: ${grade} of 5`);
      button.addEventListener("click", () => { active = number; give(grade); });
    }
    element("small", scale, "least", q.least);
    element("small", scale, "most", q.most);
  });
}

function url(name) {
  if (!urls[name]) {
    const bytes = Uint8Array.from(atob(DATA.items[name].video), (letter) => letter.charCodeAt(0));
    urls = { [name]: URL.createObjectURL(new Blob([bytes], { type: "video/mp4" })) };
  }
  return urls[name];
}

function only(id) {
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== id;
  window.scrollTo(0, 0);
}

function show(place) {
  state.place = place;
  keep();
  if (film.src) { film.pause(); URL.revokeObjectURL(film.src); urls = {}; }
  film.src = url(item());
  at("face").src = `data:image/jpeg;base64,${DATA.faces[DATA.items[item()].face]}`;
  active = QUESTIONS.findIndex((q) => !answer().grades[q.id]);
  if (active < 0) active = 0;
  shownAt = performance.now() - 1000 * answer().seconds;
  only("rate");
  draw();
  play();
}

function draw() {
  const given = answer(), total = order().length;
  document.querySelector(".bar i").style.width = `${(100 * graded()) / total}%`;
  const bar = document.querySelector(".bar");
  bar.setAttribute("aria-valuemax", total);
  bar.setAttribute("aria-valuenow", graded());
  at("where").textContent = `Video ${state.place + 1} of ${total}`;
  document.querySelectorAll(".question").forEach((card, number) => {
    card.classList.toggle("active", number === active);
    card.querySelectorAll(".grade").forEach((button, index) =>
      button.setAttribute("aria-pressed", given.grades[QUESTIONS[number].id] === GRADES[index]));
  });
  document.querySelector(".film").classList.toggle("watched", given.seen); // what was shown last stays in sight
  at("back").disabled = state.place === 0;
  at("next").disabled = !complete(given);
  at("next").textContent = state.place + 1 === total ? "Finish" : "Next";
  const open = QUESTIONS.filter((q) => !given.grades[q.id]).length;
  at("hint").textContent = !given.seen ? "Please watch it to its end." : open ? `${open} of 3 still to grade.` : "";
}

function give(grade) {
  const given = answer();
  given.grades[QUESTIONS[active].id] = grade;
  given.seconds = Math.round((performance.now() - shownAt) / 100) / 10;
  const open = QUESTIONS.findIndex((q) => !given.grades[q.id]);
  active = open < 0 ? active : open;
  keep();
  draw();
}

function play() {
  film.currentTime = 0;
  film.play().catch(() => {}); // a browser may want a click first
}

function next() {
  if (!complete(answer())) return;
  if (state.place + 1 < order().length) return show(state.place + 1);
  const open = order().findIndex((name) => !complete(state.answers[name]));
  if (open >= 0) return show(open);
  film.pause();
  at("named").textContent = `The file is called ${fileName()}.`;
  only("done");
  at("download").focus();
}

const fileName = () => `answers-${DATA.study}-${state.rater}.json`;

function download() {
  const rows = order().filter((name) => complete(state.answers[name])).map((name) => {
    const { grades, plays, seconds } = state.answers[name];
    return { item: name, grades, plays, seconds };
  });
  const file = {
    kind: "heterodub-study-answers", study: DATA.study, rater: state.rater, form: state.form,
    started_utc: state.started_utc, saved_utc: new Date().toISOString(), finished: rows.length === order().length, answers: rows,
  };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
  link.download = fileName();
  link.click();
}

function pressed(event) {
  if (at("rate").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const onButton = event.target instanceof HTMLButtonElement;
  if (GRADES.includes(Number(event.key))) give(Number(event.key));
  else if (event.key === "ArrowDown") { active = (active + 1) % QUESTIONS.length; draw(); }
  else if (event.key === "ArrowUp") { active = (active + QUESTIONS.length - 1) % QUESTIONS.length; draw(); }
  else if (event.key === "ArrowLeft" && state.place > 0) show(state.place - 1);
  else if (event.key === " " && !onButton) play();
  else if (event.key === "Enter" && !onButton) next();
  else return;
  event.preventDefault();
}

film.addEventListener("play", () => { answer().plays += 1; document.querySelector(".film").classList.add("playing"); });
film.addEventListener("pause", () => document.querySelector(".film").classList.remove("playing"));
film.addEventListener("ended", () => { answer().seen = true; keep(); draw(); });
film.addEventListener("click", play);
at("play").addEventListener("click", () => { play(); at("play").blur(); });
at("next").addEventListener("click", () => { next(); at("next").blur(); });
at("back").addEventListener("click", () => { if (state.place > 0) show(state.place - 1); at("back").blur(); });
at("again").addEventListener("click", () => show(order().length - 1));
at("save").addEventListener("click", () => { download(); at("save").blur(); });
at("download").addEventListener("click", download);
document.addEventListener("keydown", pressed);
at("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const rater = Number(at("rater").value);
  state = recalled(rater) ?? { rater, form: (rater - 1) % DATA.forms.length, started_utc: new Date().toISOString(), place: 0, answers: {} };
  document.activeElement.blur();
  show(state.place);
});

explain();
lay();
at("rater").focus();
