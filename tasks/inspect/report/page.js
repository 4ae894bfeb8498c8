"use strict";
// Details: the pictures are parsed only when a clip is opened, so that a page with many of them opens at once.
for (const clip of document.querySelectorAll("details.clip")) {
  let data = null;
  const image = clip.querySelector(".frame img");
  const slider = clip.querySelector("input[type=range]");
  const show = () => {
    data = data || JSON.parse(clip.querySelector("script").textContent);
    const number = Number(slider.value);
    image.src = data.frames[number];
    for (const part of ["face", "pose", "lips"]) {
      clip.querySelector(".frame path." + part).setAttribute("d", data.shapes[number][part] || "");
    }
    for (const cursor of clip.querySelectorAll(".cursor")) cursor.style.left = 100 * data.at[number] + "%";
  };
  if (!slider) continue;
  slider.addEventListener("input", show);
  clip.addEventListener("toggle", () => { if (clip.open) show(); });
  if (clip.open) show();
}

// A thumbnail leads to its clip: to the detail when there is one, else to its row.
const follow = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
};
addEventListener("hashchange", follow);
follow();

const rows = [...document.querySelectorAll("table.clips tbody tr")];
for (const row of rows) {
  const link = row.querySelector("a.thumb");
  if (!document.getElementById(link.hash.slice(1))) row.id = link.hash.slice(1);
}
const field = (id) => document.getElementById(id);
const filter = () => {
  const words = field("q").value.toLowerCase(), route = field("f-route").value;
  const reason = field("f-reason").value, split = field("f-split").value;
  let shown = 0;
  for (const row of rows) {
    const fits = (!route || row.dataset.route === route) && (!split || row.dataset.split === split)
      && (!reason || row.dataset.why.split(" ").includes(reason)) && (!words || row.textContent.toLowerCase().includes(words));
    row.hidden = !fits;
    shown += fits;
  }
  field("shown").textContent = shown + " of " + rows.length + " clips";
};
for (const id of ["q", "f-route", "f-reason", "f-split"]) field(id).addEventListener("input", filter);
filter();

// A click on a heading sorts by that column, a second one the other way; empty values stay at the end.
const heads = [...document.querySelectorAll("table.clips th")];
heads.forEach((head, column) => head.addEventListener("click", () => {
  const down = head.getAttribute("aria-sort") === "ascending";
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = head.classList.contains("num");
  const value = (row) => {
    const text = row.cells[column].textContent.trim();
    return numeric ? (text === "\u2013" ? null : Number(text)) : text;
  };
  const sorted = rows.map((row) => [value(row), row]).sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = numeric ? a - b : a.localeCompare(b);
    return down ? -order : order;
  });
  sorted[0] && sorted[0][1].parentNode.append(...sorted.map(([, row]) => row));
}));
