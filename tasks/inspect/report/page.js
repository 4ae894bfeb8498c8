"use strict";
const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
const element = (tag, text = "", name = "") => {
  const created = document.createElement(tag);
  created.textContent = text;
  created.className = name;
  return created;
};

// The numbers of a clip: one row a signal, those with limits first, the nearest limit before the others.
let numbers = null;
const breaks = (value, { direction, limit }) =>
  direction === "min" ? value < limit : direction === "max" ? value > limit : Math.abs(value) > limit;
const between = (signal, value, { direction, limit }) => {
  const size = direction === "max_abs" ? Math.abs : (number) => number;
  const magnitude = size(value);
  let count = 0;
  for (const values of Object.values(numbers.values)) {
    const other = values[signal];
    if (typeof other !== "number") continue;
    count += magnitude >= limit ? size(other) >= limit && size(other) <= magnitude : size(other) < limit && size(other) >= magnitude;
  }
  return count;
};
const tableOf = (clip) => {
  numbers = numbers || parsed("numbers");
  const values = numbers.values[clip];
  const rows = numbers.signals.map((signal, index) => {
    const value = values[index];
    const distances = typeof value === "number" ? signal.limits.map((limit) => between(index, value, limit)) : [];
    const near = distances.length ? Math.min(...distances) : signal.limits.length ? Number.MAX_SAFE_INTEGER : Infinity;
    return { signal, value, near };
  });
  rows.sort((a, b) => a.near - b.near || 0);
  const table = element("table"), body = element("tbody");
  for (const { signal, value } of rows) {
    const row = element("tr"), name = element("td", signal.name), limits = element("td", "", "num");
    name.title = signal.meaning;
    for (const limit of signal.limits) {
      const refuses = typeof value === "number" && breaks(value, limit);
      limits.append(element("span", limit.text + (refuses ? " refuses" : ""), "why " + limit.stage + (refuses ? " refuses" : "")));
    }
    const shown = typeof value === "number" ? `${value} ${signal.unit}` : value;
    row.append(name, element("td", shown, "num"), limits);
    body.append(row);
  }
  table.append(body);
  return table;
};

let films = null;
const filmOf = (clip) => {
  films = films || parsed("films");
  if (!films[clip]) return null;
  const film = element("video");
  film.src = films[clip];
  film.controls = true;
  film.preload = "metadata";
  film.setAttribute("aria-label", "film of the clip");
  return film;
};

// Details: the pictures are parsed only when a clip is opened, so that a page with many of them opens at once.
for (const clip of document.querySelectorAll("details.clip")) {
  let data = null;
  const image = clip.querySelector(".frame img"), slider = clip.querySelector("input[type=range]");
  const place = clip.querySelector(".film"), inside = clip.querySelector(".all-numbers");
  const show = () => {
    const film = place.firstChild || filmOf(place.dataset.clip);
    if (film) place.append(film);
    if (!slider) return;
    data = data || JSON.parse(clip.querySelector("script").textContent);
    const number = Number(slider.value);
    image.src = data.frames[number];
    for (const part of ["face", "pose", "lips"]) {
      clip.querySelector(".frame path." + part).setAttribute("d", data.shapes[number][part] || "");
    }
    for (const cursor of clip.querySelectorAll(".cursor")) cursor.style.left = 100 * data.at[number] + "%";
  };
  if (slider) slider.addEventListener("input", show);
  clip.addEventListener("toggle", () => { if (clip.open) show(); });
  inside.addEventListener("toggle", () => {
    const body = inside.querySelector(".numbers");
    if (inside.open && !body.firstChild) body.append(tableOf(body.dataset.clip));
  });
  if (clip.open) show();
}

// A thumbnail leads to its clip: to the detail when there is one, else to its row.
const follow = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
};
addEventListener("hashchange", follow);
follow();
for (const row of document.querySelectorAll("tr[data-clip]")) {
  const link = row.querySelector("a.thumb");
  if (!document.getElementById(link.hash.slice(1))) row.id = link.hash.slice(1);
  const drill = () => {
    const below = row.nextElementSibling;
    if (below && below.classList.contains("below")) return below.remove();
    const opened = element("tr", "", "below"), cell = element("td");
    cell.colSpan = row.cells.length;
    const film = filmOf(row.dataset.clip);
    if (film) cell.append(film);
    cell.append(tableOf(row.dataset.clip));
    opened.append(cell);
    row.after(opened);
  };
  row.addEventListener("click", (event) => { if (!event.target.closest("a")) drill(); });
  row.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === row) drill(); });
}

// Lists: filters, sorting and CSV of what is shown.
const csvField = (text) => '"' + (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? "'" : "") + text.replaceAll('"', '""') + '"';
for (const section of document.querySelectorAll("section.listing")) {
  const rows = [...section.querySelectorAll("tbody tr")], heads = [...section.querySelectorAll("th")];
  const search = section.querySelector("input[type=search]"), selects = [...section.querySelectorAll("select")];
  const fold = () => { for (const opened of section.querySelectorAll("tr.below")) opened.remove(); };
  const filter = () => {
    fold();
    const words = search.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = selects.every((select) => !select.value || row.dataset[select.dataset.key].split(" ").includes(select.value))
        && (!words || row.textContent.toLowerCase().includes(words));
      row.hidden = !fits;
      shown += fits;
    }
    section.querySelector("output").textContent = shown + " of " + rows.length;
  };
  for (const field of [search, ...selects]) field.addEventListener("input", filter);
  filter();
  const text = (cell) => cell.innerText.trim().replace(/\s+/g, " ");
  section.querySelector(".csv").addEventListener("click", (event) => {
    const body = [...section.querySelectorAll("tbody tr:not([hidden]):not(.below)")];
    const lines = [heads.map(text), ...body.map((row) => [...row.cells].map(text))];
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([lines.map((line) => line.map(csvField).join(",") + "\r\n").join("")], { type: "text/csv" }));
    link.download = event.target.dataset.name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  // A click on a heading sorts by that column, a second one the other way; empty values stay at the end.
  heads.forEach((head, column) => {
    if (head.classList.contains("still")) return;
    head.tabIndex = 0;
    const sort = () => {
      fold();
      const down = head.getAttribute("aria-sort") === "ascending", numeric = head.classList.contains("num");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[column], text = cell.dataset.sort ?? cell.textContent.trim();
        return numeric ? (text === "" || text === "\u2013" ? null : Number(text)) : text;
      };
      const sorted = rows.map((row) => [value(row), row]).sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = numeric ? a - b : a.localeCompare(b);
        return down ? -order : order;
      });
      if (sorted[0]) sorted[0][1].parentNode.append(...sorted.map(([, row]) => row));
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}
