"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // Tables: a click on a column's name sorts by it, a second click turns the order round.
  const keyOf = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  function sort(header) {
    const body = header.closest("table").tBodies[0], column = header.cellIndex;
    const turned = header.getAttribute("aria-sort") === "ascending";
    const rows = [...body.rows];
    const numeric = rows.every((row) => keyOf(row, column) !== "" && !Number.isNaN(Number(keyOf(row, column))));
    rows.sort((a, b) => {
      const [one, other] = [keyOf(a, column), keyOf(b, column)];
      return (turned ? -1 : 1) * (numeric ? one - other : one.localeCompare(other));
    });
    body.append(...rows);
    for (const cell of header.parentElement.cells) cell.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", turned ? "descending" : "ascending");
  }
  for (const header of all("table.sortable thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header));
    header.append(button);
  }

  // Commands.
  for (const button of all("button.copy")) {
    const code = button.previousElementSibling;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {  // not every browser lets a page from a file do that
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // On paper nothing can be opened.
  const closed = all("details:not([open])");
  addEventListener("beforeprint", () => closed.forEach((one) => { one.open = true; }));
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));

  // Pictures: those with a small picture are in the page already, the rest is listed by name.
  const gallery = byId("gallery");
  if (!gallery) return;
  const facts = JSON.parse(byId("facts").textContent);
  const entries = [...gallery.children].map((item) => (
    { item, truth: Number(item.dataset.true), named: Number(item.dataset.named), sure: Number(item.dataset.sure) }
  )).concat(facts.rest.map(([name, truth, named, sure]) => ({ name, truth, named, sure })));
  const [form, which, ofClass, named, order, more] = ["filter", "which", "of-class", "named", "order", "more"].map(byId);
  const percent = (part) => part === null ? "–" : `${(100 * part).toFixed(1)} %`;
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  const first = 24;
  let limit = first;

  function inWords(count) {
    const kind = { wrong: "mistake", right: "right answer", "": "picture" }[which.value];
    const of = ofClass.value === "" ? "" : ` of class ${facts.classes[ofClass.value]}`;
    return plural(count, kind) + of + (named.value === "" ? "" : ` named ${facts.classes[named.value]}`);
  }
  function line({ name, truth, named: given, sure }) {
    const item = document.createElement("li");
    const wrong = truth === given ? "" : `, is ${facts.classes[truth]}`;
    item.textContent = `${name}: ${facts.classes[given]} ${percent(sure)}${wrong}`;
    return item;
  }
  function show() {
    const wanted = entries.filter((one) => (
      (which.value === "" || (one.truth === one.named) === (which.value === "right"))
      && (ofClass.value === "" || one.truth === Number(ofClass.value))
      && (named.value === "" || one.named === Number(named.value))
    )).sort((a, b) => Number(order.value) * (a.sure - b.sure));
    const small = wanted.filter((one) => one.item), rest = wanted.filter((one) => !one.item);
    for (const { item } of entries) if (item) item.hidden = true;
    for (const { item } of small.slice(0, limit)) item.hidden = false;
    gallery.append(...small.map((one) => one.item));
    gallery.hidden = !small.length;
    const room = Math.max(0, limit - small.length);
    byId("names").replaceChildren(...rest.slice(0, room * 4).map(line));
    byId("names").hidden = !rest.length || !room;
    more.hidden = small.length <= limit && rest.length <= room * 4;
    const byName = rest.length ? `, ${rest.length.toLocaleString("en")} of them by name only` : "";
    byId("how-many").textContent = `${inWords(wanted.length)}${byName}.`;
  }
  function changed() {
    limit = first;
    show();
  }
  for (const select of [which, ofClass, named, order]) select.addEventListener("change", changed);
  more.addEventListener("click", () => { limit += 96; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(changed));
  for (const link of all("a[data-true]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      which.value = link.dataset.which ?? "";
      ofClass.value = link.dataset.true;
      named.value = link.dataset.named ?? "";
      for (const other of all("a[aria-current]")) other.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      changed();
      byId("pictures").scrollIntoView();
      byId("pictures-title").focus({ preventScroll: true });
    });
  }
  if (!entries.some((one) => one.truth !== one.named)) which.value = "";
  show();
})();
