"use strict";
// Everything that reacts on a page: copying, sorting, figures, and the list of runs.
// Texts of the page enter it as text only (textContent), never as markup.

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const readData = (id) => {
  const script = document.getElementById(id);
  return script ? JSON.parse(script.textContent) : null;
};
const announce = (text) => { find("#status").textContent = text; };

/** Return the rows that `pack_rows` has packed into columns. */
function unpackRows({ size, columns }) {
  const rows = Array.from({ length: size }, () => ({}));
  for (const [name, column] of Object.entries(columns)) {
    const values = Array.isArray(column) ? column : column.at.map((i) => column.texts[i]);
    rows.forEach((row, i) => { row[name] = values[i]; });
  }
  return rows;
}

// ---------------------------------------------------------------- copying

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard outside of a secure context
    const area = element("textarea", { class: "hidden" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function startCopying() {
  const copies = readData("copies");
  for (const button of findAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const { copy, format } = button.dataset;
      await copyText(copies[copy][format]);
      announce(`Copied as ${format === "csv" ? "CSV" : "LaTeX"}`);
      const label = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }
}

// ---------------------------------------------------------------- sorting

const isEmpty = (value) => value === null || value === undefined || value === "" || value === "-";

const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)(?:e[+\-]?\d+)?`;

/** Compare two values of a column; empty ones come last in both directions. */
function compareValues(a, b, sign) {
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) - isEmpty(b);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * compareTexts(String(a), String(b));
}

/** Compare texts, and the numbers in them by value: `lr=6.25e-05` comes before `lr=0.0005`. */
function compareTexts(a, b) {
  const [first, second] = [a, b].map((text) => text.split(new RegExp(`(${NUMBER})`)));
  for (let i = 0; i < Math.min(first.length, second.length); i++) { // odd ones are numbers
    const order = i % 2 ? first[i] - second[i] : first[i].localeCompare(second[i]);
    if (order) return order;
  }
  return first.length - second.length;
}

/** Return the first number of a text such as `85.6 ± 3.3` or `<.001`, or the text itself. */
function cellValue(text, isNumber) {
  const match = isNumber && text.match(new RegExp(`[+\\-−]?${NUMBER}`));
  if (!match) return text;
  const value = Number(match[0].replace("−", "-"));
  return text.trim().startsWith("<") ? value - 1e-9 : value;
}

/** Put a sort button into the head of a column; `sort` gets 1 for ascending, -1 otherwise. */
function addSortButton(head, sort) {
  const button = element("button", { type: "button", class: "sort" });
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    sort(sign);
  });
}

function startSorting() {
  for (const table of findAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const isNumber = head.classList.contains("number");
      const value = (row) => cellValue(row.cells[column].textContent, isNumber);
      addSortButton(head, (sign) => {
        body.append(...[...body.rows].sort((a, b) => compareValues(value(a), value(b), sign)));
      });
    });
  }
}

// ---------------------------------------------------------------- figures

const isDark = matchMedia("(prefers-color-scheme: dark)");
const look = readData("look");

/** Merge objects deeply; the values of the second one win. */
function mergeDeep(base, changes) {
  const merged = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const isObject = value && typeof value === "object" && !Array.isArray(value);
    merged[key] = isObject ? mergeDeep(merged[key] ?? {}, value) : value;
  }
  return merged;
}

/** Return how many of a figure's panels fit side by side. */
function fittingColumns(holder, columns = 1) {
  const share = holder.parentNode.clientWidth / find("svg", holder).clientWidth;
  return Math.max(1, Math.min(columns, Math.floor(columns * share)));
}

/** Draw a figure in the colors of the page. */
const draw = async (holder, spec) => {
  const scheme = isDark.matches ? "dark" : "light";
  const config = mergeDeep(mergeDeep(look.base, spec.config ?? {}), look[scheme]);
  const options = {
    mode: "vega-lite", renderer: "svg", actions: false, tooltip: { theme: scheme },
    logLevel: 1, // errors only: Vega would warn of every panel in which a layer has no rows
  };
  holder.view = (await vegaEmbed(holder, { ...spec, config }, options)).view;
  find("svg", holder).setAttribute("aria-hidden", "true"); // the caption describes the figure
  holder.classList.add("drawn");
  const columns = fittingColumns(holder, spec.columns);
  if (columns < spec.columns) await draw(holder, { ...spec, columns });
};

function readSpecification(holder) {
  const spec = readData(holder.dataset.spec);
  const datasets = Object.entries(spec.datasets ?? {});
  spec.datasets = Object.fromEntries(datasets.map(([name, rows]) => [name, unpackRows(rows)]));
  return spec;
}

const redraws = new Map();

/** Draw a figure once, and again whenever the color scheme changes. */
function drawFigure(holder, makeSpec) {
  if (!redraws.has(holder)) {
    const spec = makeSpec();
    redraws.set(holder, () => draw(holder, spec));
    holder.drawing = draw(holder, spec);
  }
  return holder.drawing;
}

function startFigures() {
  const drawHolder = (holder) => drawFigure(holder, () => readSpecification(holder));
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        observer.unobserve(target);
        drawHolder(target);
      }
    }
  }, { rootMargin: "600px" });
  for (const figure of findAll(".figure")) {
    const holder = find(".chart", figure);
    observer.observe(holder);
    for (const button of findAll("[data-save]", figure)) {
      button.addEventListener("click", async () => {
        await drawHolder(holder);
        const format = button.dataset.save;
        const url = await holder.view.toImageURL(format, format === "png" ? 2 : 1);
        const name = find("h3, h4", figure).textContent.replace(/[^\w-]+/g, "-");
        element("a", { href: url, download: `${name}.${format}` }).click();
      });
    }
  }
  isDark.addEventListener("change", () => redraws.forEach((redraw) => redraw()));
}

// ---------------------------------------------------------------- runs

const RUN_COLUMNS = [
  { name: "task" }, { name: "method" }, { name: "length", isWide: true },
  { name: "setting", isWide: true }, { name: "seed", isNumber: true },
  { name: "val", isNumber: true, digits: 1, isWide: true },
  { name: "test", isNumber: true, digits: 1 }, { name: "status" },
];
const PAGE_SIZE = 50;

function startRuns() {
  const runs = unpackRows(readData("run-data"));
  const curves = readData("curve-data");
  runs.forEach((run, i) => { run.index = i; });
  const columns = RUN_COLUMNS.filter(({ name }) => name !== "setting" || runs.some((r) => r.setting));
  const form = find("#filters");
  const [head, body] = [find("#run-table thead tr"), find("#run-table tbody")];
  const state = { order: runs, limit: PAGE_SIZE };

  for (const select of findAll("select", form)) {
    const values = new Set(runs.flatMap((run) => run[select.name].split(", ")));
    select.append(...[...values].filter(Boolean).sort().map((value) => new Option(value, value)));
  }
  for (const column of columns) {
    const cell = element("th", { scope: "col", class: cellClass(column) }, column.name);
    head.append(cell);
    addSortButton(cell, (sign) => {
      const value = (run) => run[column.name];
      state.order = [...runs].sort((a, b) => compareValues(value(a), value(b), sign));
      show();
    });
  }
  head.append(element("th", { scope: "col" }, "details"));

  const matches = () => {
    const filters = [...new FormData(form)].filter(([name, value]) => name !== "text" && value);
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    return state.order.filter((run) => {
      const text = Object.values(run).join(" ").toLowerCase();
      return words.every((word) => text.includes(word))
        && filters.every(([name, value]) => run[name].split(", ").includes(value));
    });
  };
  const show = () => {
    const selection = matches();
    body.replaceChildren(...selection.slice(0, state.limit).map((run) => runRow(run, columns, curves)));
    const count = Math.min(state.limit, selection.length);
    find("#run-count").textContent =
      `Showing ${count} of ${selection.length} matching runs; ${runs.length} runs in all.`;
    find("#more-runs").hidden = count === selection.length;
  };
  const restart = () => { state.limit = PAGE_SIZE; show(); };
  form.addEventListener("input", restart);
  form.addEventListener("change", restart);
  form.addEventListener("reset", () => setTimeout(restart)); // after the fields are empty
  form.addEventListener("submit", (event) => event.preventDefault());
  find("#more-runs").addEventListener("click", () => { state.limit += 4 * PAGE_SIZE; show(); });
  show();
}

const cellClass = ({ isNumber, isWide }) =>
  [isNumber && "number", isWide && "wide"].filter(Boolean).join(" ");

function runRow(run, columns, curves) {
  const row = element("tr");
  columns.forEach((column, i) => {
    const value = run[column.name];
    const text = column.digits === undefined ? String(value) : value.toFixed(column.digits);
    const attributes = { class: cellClass(column), ...(i ? {} : { scope: "row" }) };
    row.append(element(i ? "td" : "th", attributes, text));
  });
  const name = `details of ${run.task} ${run.method} ${run.length} seed ${run.seed}`;
  const button = element("button", { type: "button" });
  const label = (action, isOpen) => {
    button.textContent = action;
    button.setAttribute("aria-label", `${action} ${name}`);
    button.setAttribute("aria-expanded", String(isOpen));
  };
  label("Show", false);
  row.append(element("td", {}, button));
  let detail = null;
  button.addEventListener("click", () => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    label(isOpen ? "Show" : "Hide", !isOpen);
    if (isOpen) {
      detail.remove();
    } else {
      detail ??= runDetail(run, columns.length + 1);
      row.after(detail);
      showCurves(find(".curves", detail), run, curves);
    }
  });
  return row;
}

function runDetail(run, span) {
  const facts = {
    "sweeps": run.sweep || "none of those on this page",
    "setting": run.setting || "-",
    "validation": `${run.val} at step ${run["best step"] ?? "-"} of ${run.steps}`,
    "test": `${run.test} with the best weights, ${run.last} with the last`,
    "status": run.status,
    "seconds": run.seconds,
    "precision": run.precision,
    "device": run.device,
    "commit": run.commit,
    "folder": `${run.folder}/${run["seed folder"]}`,
  };
  const list = element("dl");
  for (const [name, value] of Object.entries(facts)) {
    list.append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
  }
  const cell = element("td", { colspan: span }, list);
  if (run.command) {
    cell.append(element("p", {}, "Command: ", element("code", {}, `${run.command} ${run.seeds}`)));
  }
  cell.append(element("div", { class: "curves" }));
  return element("tr", { class: "detail" }, cell);
}

/** Draw the curves of a run, or say why there are none. */
function showCurves(place, run, curves) {
  if (place.childNodes.length) return;
  const own = curves?.runs[run.index];
  if (!own) {
    const reason = run.sweep
      ? "the folders of this report hold no valid history of this run."
      : "only runs of the sweeps on this page have them.";
    place.append(element("p", {}, `No curves: ${reason}`));
    return;
  }
  for (const [name, [steps, values]] of Object.entries(own)) {
    const rows = curves.steps[steps].map((step, i) => ({ step, value: values[i] }));
    const title = curves.titles[name];
    const holder = element("div", { class: "chart" });
    place.append(holder);
    const width = Math.max(160, Math.min(520, place.clientWidth - 60)); // axis and padding
    drawFigure(holder, () => curveSpecification(rows, title, width));
  }
}

function curveSpecification(rows, title, width) {
  const quantitative = (field, name) => ({
    field, type: "quantitative", title: name, scale: { zero: false },
  });
  return {
    description: `${title} of this run by optimizer step`,
    width, height: 130, data: { values: rows },
    mark: { type: "line", point: true },
    encoding: {
      x: quantitative("step", "step"), y: quantitative("value", title),
      tooltip: [{ field: "step" }, { field: "value", title }],
    },
  };
}

// ---------------------------------------------------------------- running grids

const RELOAD_MILLISECONDS = 60000;

function startReloading(box) {
  setInterval(() => { if (box.checked) location.reload(); }, RELOAD_MILLISECONDS);
}

startCopying();
startSorting();
startFigures();
if (document.getElementById("run-data")) startRuns();
if (document.getElementById("reload")) startReloading(find("#reload"));
