// The parts of the dashboard that are live, and its chart.
"use strict";

// Times are written in the browser's time zone; the exact one stays in the title.
function showLocalTimes(root) {
  for (const time of root.querySelectorAll("td time[datetime], p time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!isNaN(date)) {
      const pad = (value) => String(value).padStart(2, "0");
      time.textContent = `${pad(date.getMonth() + 1)}-${pad(date.getDate())} ` +
        [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");
      time.title = date.toString();
    }
  }
}

// New requests are fetched one batch at a time; a pause button holds the list.
function startLive(live) {
  const MOST_ROWS = 500;
  const state = document.getElementById("live-state");
  const button = document.getElementById("pause");
  const rows = document.getElementById("rows");
  const stream = new EventSource(live.dataset.stream);
  let newest = live.dataset.newest, paused = false, busy = false, waiting = 0, lost = false;

  function show() {
    const label = lost ? live.dataset.lost : paused ? live.dataset.paused : live.dataset.live;
    state.textContent = paused && waiting ? `${label} – ${waiting} ${live.dataset.waiting}` : label;
    button.textContent = paused ? live.dataset.resume : live.dataset.pause;
    button.setAttribute("aria-pressed", String(paused));
  }
  function fetchNew() {
    if (!paused && !busy && waiting) {
      busy = true;
      waiting = 0;
      htmx.trigger(live, "ledger");
    }
  }
  function toggle() {
    paused = !paused;
    fetchNew();
    show();
  }
  stream.addEventListener("requests", (event) => {
    waiting += Number(event.data);
    fetchNew();
    show();
  });
  stream.onopen = () => {
    if (lost) {
      lost = false;
      waiting += 1;
      fetchNew();
      show();
    }
  };
  stream.onerror = () => { lost = true; show(); };
  window.addEventListener("pagehide", () => stream.close());
  live.addEventListener("htmx:configRequest", (event) => {
    event.detail.parameters.after = newest;
  });
  live.addEventListener("htmx:afterRequest", (event) => {
    busy = false;
    if (event.detail.successful) {
      newest = event.detail.xhr.getResponseHeader("X-Newest") || newest;
      const empty = document.getElementById("empty");
      if (empty && rows.children.length) empty.remove();
      while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
      showLocalTimes(rows);
    }
    setTimeout(fetchNew, 500);
  });
  button.addEventListener("click", toggle);
  onKey("p", toggle);
}

// The first page is renewed every few seconds, unless it is held or text in it is selected.
function startPanel(panel, button) {
  const state = document.getElementById("live-state");
  let paused = false, lost = false;
  function show() {
    const label = lost ? button.dataset.lost : button.dataset.live;
    state.textContent = paused ? button.dataset.paused : label;
    state.classList.toggle("error", lost && !paused);
    button.textContent = paused ? button.dataset.resume : button.dataset.pause;
    button.setAttribute("aria-pressed", String(paused));
  }
  function toggle() {
    paused = !paused;
    show();
  }
  panel.addEventListener("htmx:beforeRequest", (event) => {
    const selection = getSelection();
    const reading = !selection.isCollapsed && panel.contains(selection.anchorNode);
    if (paused || reading || document.hidden) event.preventDefault();
  });
  panel.addEventListener("htmx:afterRequest", (event) => {
    if (lost === event.detail.successful) {
      lost = !lost;
      show();
    }
  });
  button.hidden = false;
  button.addEventListener("click", toggle);
  onKey("p", toggle);
  show();
}

function onKey(key, action) {
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === key && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      action(event);
    }
  });
}

// A chart of stacked bars: each series is drawn as the sum of it and those before it.
function drawChart(element) {
  const data = JSON.parse(element.dataset.chart);
  data.periods = data.periods.map((name) => name.replace(/^\d+-(.*)T(\d\d:\d\d).*/, "$1 $2"));
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const x = data.periods.map((_, index) => index);
  const sums = new Array(x.length).fill(0);
  const format = new Intl.NumberFormat(undefined, {
    notation: "compact", maximumFractionDigits: data.measure === "cost" ? 4 : 1,
  });
  const show = (value) => value == null ? "–" : (data.measure === "cost" ? "$" : "") + format.format(value);
  const stacked = data.series.map((each, number) => {
    each.values.forEach((value, index) => { sums[index] += value; });
    return {
      values: sums.slice(),
      options: {
        label: each.name || element.dataset.others,
        value: (_, __, ___, index) => show(index == null ? null : each.values[index]),
        fill: colour(each.name ? `--c${number}` : "--c7"),
        stroke: colour(each.name ? `--c${number}` : "--c7"),
        width: 0,
        paths: uPlot.paths.bars({ size: [0.8, 64] }),
        points: { show: false },
      },
    };
  }).reverse();  // the largest bars are drawn first
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const chart = new uPlot({
    width: element.clientWidth, height: 240,
    scales: { x: { time: false, range: [-0.6, x.length - 0.4] }, y: { range: (_, __, max) => [0, max || 1] } },
    cursor: { drag: { x: false, y: false } },
    series: [
      { label: element.dataset.unit, value: (_, value) => value == null ? "–" : data.periods[value] },
      ...stacked.map((each) => each.options),
    ],
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => data.periods[at] || ""),
        incrs: [1, 2, 3, 6, 12, 24, 48, 96], space: 96, grid: { show: false } },
      { ...axis, size: 64, values: (_, splits) => splits.map(show) },
    ],
  }, [x, ...stacked.map((each) => each.values)], element);
  new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: 240 })).observe(element);
}

function offerLocalZone(select) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && ![...select.options].some((option) => option.value === zone)) {
    select.add(new Option(zone, zone));
  }
}

// Copying needs a secure page; elsewhere the text is selected, and copied the older way.
async function copyText(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    document.execCommand("copy");
  }
  const label = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = label; }, 1500);
}

// The head of a table sorts the rows that the page has, unless it is a link to a sorted page.  A
// live list is held meanwhile.
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.querySelector("a")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const pause = document.getElementById("pause");
      if (pause && pause.getAttribute("aria-pressed") === "false") pause.click();
      const before = head.getAttribute("aria-sort");
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const order = before === null ? first : before === "ascending" ? "descending" : "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sortRows(table.tBodies[0], column, order === "ascending" ? 1 : -1);
    });
  });
}

function sortRows(body, column, sign) {
  const value = (row) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? (cell.title || cell.textContent).trim();
    const number = Number(text.replace(/[\s\u202f%$]/g, ""));
    return text !== "" && !isNaN(number) ? number : text;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  body.append(...[...body.rows].sort((a, b) => sign * compare(value(a), value(b))));
}

// Rows of requests with the keyboard: j and k move, Enter follows the link, c copies the id.
function moveInRows(body) {
  const current = () => document.activeElement.closest("tr[data-href]");
  const focus = (row) => row && row.querySelector("a").focus();
  onKey("j", () => focus(current() ? current().nextElementSibling : body.rows[0]));
  onKey("k", () => focus(current() && current().previousElementSibling));
  onKey("c", () => current() && navigator.clipboard?.writeText(current().dataset.id));
}

// What is selected in a cell that shows a shortened value is copied whole.
function copyWholeValues() {
  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    const node = selection.anchorNode;
    const shown = node && (node.nodeType === 1 ? node : node.parentElement).closest("[title]");
    if (shown && shown.contains(selection.focusNode) && shown.textContent.includes("…")) {
      event.clipboardData.setData("text/plain", shown.title.split(" – ")[0]);
      event.preventDefault();
    }
  });
}

document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table[data-sortable]")) makeSortable(table);
  const rows = document.getElementById("rows");
  if (rows) moveInRows(rows);
  copyWholeValues();
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", () => copyText(button));
  }
  showLocalTimes(document);
  const live = document.getElementById("live");
  if (live) startLive(live);
  const hold = document.getElementById("hold");
  if (hold) startPanel(document.getElementById("panel"), hold);
  const chart = document.getElementById("chart");
  if (chart && chart.dataset.chart) drawChart(chart);
  const zone = document.querySelector("select[name=zone]");
  if (zone) offerLocalZone(zone);
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a,button") && !getSelection().toString()) location.href = row.dataset.href;
  });
});
