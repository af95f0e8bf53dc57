// Draws what the shop's processes have counted, and asks for more every few seconds.
"use strict";
(() => {
  const EVERY_MS = 3000;
  const SLOTS = 120;
  const SVG = "http://www.w3.org/2000/svg";
  const STATUS = [
    ["2xx", "#0d9488"], ["3xx", "#60a5fa"], ["4xx", "#fbbf24"],
    ["429", "#f97316"], ["503", "#dc2626"], ["5xx", "#7f1d1d"],
  ];
  const PALETTE = [
    "#115e59", "#0d9488", "#2dd4bf", "#3b82f6", "#8b5cf6",
    "#d946ef", "#f59e0b", "#84cc16", "#94a3b8",
  ];
  const root = document.getElementById("traffic");
  const notice = document.getElementById("traffic-notice");
  const slots = new Map();
  const loads = [];
  let slotSeconds = 5;
  let newest = 0;

  const sum = (counts) => Object.values(counts || {}).reduce((a, b) => a + b, 0);
  const round = (n) => (n >= 100 ? Math.round(n) : Math.round(n * 10) / 10).toLocaleString();

  function statusClass(status) {
    return status === "429" || status === "503" ? status : `${status[0]}xx`;
  }

  function grouped(counts, key) {
    const found = {};
    for (const [labels, count] of Object.entries(counts || {})) {
      const name = key(labels.split("|"));
      if (name !== null) found[name] = (found[name] || 0) + count;
    }
    return found;
  }

  // One row of numbers per slot, the oldest first; a slot without counts is zeros.
  function rows(pick) {
    const found = [];
    for (let slot = newest - SLOTS + 1; slot <= newest; slot += 1) {
      found.push(pick(slots.get(slot) || {}));
    }
    return found;
  }

  function perSecond(name, points) {
    return points.map((point) => (point[name] || 0) / slotSeconds);
  }

  function element(name, attributes, parent) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  }

  function niceTop(value) {
    const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
    return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value) || 10 * power;
  }

  function draw(key, series, { stacked, spanSeconds }) {
    const box = root.querySelector(`[data-chart="${key}"]`);
    const width = Math.max(box.clientWidth, 200);
    const height = Math.max(box.clientHeight, 120);
    const left = 36, bottom = 18, top = 6;
    const count = Math.max(...series.map((one) => one.values.length), 2);
    const totals = Array.from({ length: count }, (_, i) => {
      const values = series.map((one) => one.values[i] || 0);
      return stacked ? values.reduce((a, b) => a + b, 0) : Math.max(0, ...values);
    });
    const most = niceTop(Math.max(...totals, 0));
    const x = (i) => left + (i / (count - 1)) * (width - left);
    const y = (value) => top + (1 - value / most) * (height - top - bottom);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("role", "img");
    for (const share of [0, 0.5, 1]) {
      const at = y(most * share);
      element("line", { x1: left, x2: width, y1: at, y2: at }, svg);
      element("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, svg).textContent = round(most * share);
    }
    const minutes = Math.round(spanSeconds / 60);
    const ends = [["start", left, minutes ? `${minutes} min ago` : ""], ["end", width, "now"]];
    for (const [anchor, at, text] of ends) {
      element("text", { x: at, y: height - 3, "text-anchor": anchor }, svg).textContent = text;
    }
    const base = new Array(count).fill(0);
    for (const one of series) {
      const tops = one.values.map((value, i) => (stacked ? base[i] + value : value));
      const line = tops.map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)},${y(value).toFixed(1)}`).join("");
      if (stacked) {
        const back = base.slice(0, tops.length).map((value, i) => `L${x(i).toFixed(1)},${y(value).toFixed(1)}`).reverse().join("");
        element("path", { d: `${line}${back}Z`, fill: one.color, "fill-opacity": 0.85 }, svg);
        tops.forEach((value, i) => { base[i] = value; });
      } else {
        element("path", { d: line, fill: "none", stroke: one.color, "stroke-width": 2, "stroke-dasharray": one.dash || "none" }, svg);
      }
    }
    box.replaceChildren(svg);
    drawLegend(key, series);
  }

  function drawLegend(key, series) {
    const legend = root.querySelector(`[data-legend="${key}"]`);
    legend.replaceChildren(...series.map((one) => {
      const entry = document.createElement("li");
      const mark = document.createElement("i");
      const value = document.createElement("b");
      mark.style.backgroundColor = one.color;
      value.textContent = round(one.values.at(-1) || 0);
      entry.append(mark, `${one.name} `, value);
      return entry;
    }));
  }

  function drawCounted() {
    const spanSeconds = SLOTS * slotSeconds;
    const byStatus = rows((counts) => grouped(counts.answers, ([status]) => statusClass(status)));
    draw("status", STATUS.map(([name, color]) => ({ name, color, values: perSecond(name, byStatus) })), { stacked: true, spanSeconds });

    const byPriority = rows((counts) => grouped(counts.answers, ([, priority]) => priority));
    const priorities = [...new Set(byPriority.flatMap(Object.keys))]
      .sort((a, b) => (a === "none") - (b === "none") || Number(a) - Number(b));
    draw("priority", priorities.map((name, i) => ({ name, color: PALETTE[i % PALETTE.length], values: perSecond(name, byPriority) })), { stacked: true, spanSeconds });

    const refused = rows((counts) => ({
      "over quota": sum(grouped(counts.requests, ([, outcome]) => (outcome === "refused" ? outcome : null))),
      shed: sum(grouped(counts.shed, ([, reason, enforced]) => (enforced === "true" ? reason : null))),
      "by a breaker": sum(grouped(counts.breaker_calls, ([, outcome]) => (outcome === "refused" ? outcome : null))),
    }));
    const colors = { "over quota": "#f97316", shed: "#dc2626", "by a breaker": "#8b5cf6" };
    draw("refused", Object.entries(colors).map(([name, color]) => ({ name, color, values: perSecond(name, refused) })), { stacked: true, spanSeconds });

    show("answered", round(sum(byStatus.at(-1)) / slotSeconds));
    show("limited", round(refused.at(-1)["over quota"] / slotSeconds));
    show("shed", round(refused.at(-1).shed / slotSeconds));
  }

  function drawLoad(gauges) {
    const value = (name) => sum(gauges[name]);
    loads.push({ limit: value("load_shedding_limit"), running: value("load_shedding_inflight"), waiting: value("load_shedding_queue_depth") });
    if (loads.length > 200) loads.shift();
    const colors = { limit: ["#94a3b8", "4 4"], running: ["#0d9488"], waiting: ["#f59e0b"] };
    const series = Object.entries(colors).map(([name, [color, dash]]) => ({ name, color, dash, values: loads.map((load) => load[name]) }));
    draw("load", series, { stacked: false, spanSeconds: loads.length * EVERY_MS / 1000 });
    const last = loads.at(-1);
    show("inflight", `${round(last.running)} / ${last.limit ? round(last.limit) : "–"}`);
    show("queued", round(last.waiting));
  }

  function show(key, text) {
    root.querySelector(`[data-number="${key}"]`).textContent = text;
  }

  function totalled(family) {
    const found = {};
    for (const counts of slots.values()) {
      for (const [labels, count] of Object.entries(counts[family] || {})) found[labels] = (found[labels] || 0) + count;
    }
    return found;
  }

  function showBreakers(gauges) {
    const calls = totalled("breaker_calls");
    for (const row of root.querySelectorAll("[data-breaker]")) {
      const name = row.dataset.breaker;
      const states = grouped(gauges.breaker_processes, ([breaker, state]) => (breaker === name ? state : null));
      row.querySelector("[data-states]").replaceChildren(...Object.entries(states).flatMap(([state, count]) => {
        const label = document.createElement("span");
        label.className = "traffic-state";
        label.dataset.state = state;
        label.textContent = `${state.replace("_", " ")} ${count}`;
        return [label, " "];
      }));
      const counts = ["succeeded", "slow", "failed", "refused"].map((outcome) => round(calls[`${name}|${outcome}`] || 0));
      row.querySelector("[data-calls]").textContent = counts.join(" / ");
    }
  }

  function showNear() {
    const near = totalled("near");
    const refusals = grouped(totalled("refusals"), ([policy]) => policy);
    const names = Object.keys({ ...near, ...refusals }).sort((a, b) => (near[b] || 0) - (near[a] || 0));
    const body = root.querySelector("[data-near]");
    body.replaceChildren(...names.slice(0, 12).map((name) => {
      const row = document.createElement("tr");
      for (const text of [name, round(near[name] || 0), round(refusals[name] || 0)]) row.insertCell().textContent = text;
      return row;
    }));
    if (!names.length) body.insertRow().insertCell().textContent = "None.";
  }

  function take(figures) {
    slotSeconds = figures.slot_seconds;
    for (const { slot, counts } of figures.slots) {
      slots.set(slot, counts);
      newest = Math.max(newest, slot);
    }
    for (const slot of slots.keys()) if (slot <= newest - SLOTS) slots.delete(slot);
    drawCounted();
    drawLoad(figures.gauges);
    showBreakers(figures.gauges);
    showNear();
    show("processes", figures.processes);
    warn(figures.valkey_out ? "Valkey doesn't answer: processes count by themselves, and this page stands still." : "");
  }

  function warn(text) {
    notice.textContent = text;
    notice.hidden = !text;
  }

  async function ask() {
    try {
      const answer = await fetch(`${root.dataset.figures}?after=${newest}`, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(`The shop answered ${answer.status}.`);
      take(await answer.json());
    } catch (error) {
      warn(`No figures: ${error.message}`);
    }
    setTimeout(ask, document.hidden ? 10 * EVERY_MS : EVERY_MS);
  }

  ask();
})();
