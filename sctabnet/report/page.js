"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const filter = document.getElementById("filter"), only = document.getElementById("only");
const body = document.querySelector("#cells tbody"), count = document.getElementById("count");
const SHOWN = 200;
function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = [];
  for (let i = 0; i < data.name.length; i++) {
    if (only.value === "unknown" && !data.unknown[i]) continue;
    if (only.value === "doubtful" && data.confidence[i] >= 0.5) continue;
    const text = (data.name[i] + " " + data.labels[data.label[i]]).toLowerCase();
    if (words.every(word => text.includes(word))) hits.push(i);
  }
  body.replaceChildren(...hits.slice(0, SHOWN).map(i => {
    const row = document.createElement("tr");
    for (const value of [data.name[i], data.labels[data.label[i]], data.confidence[i].toFixed(3), data.unknown[i] ? "yes" : ""]) {
      const cell = document.createElement("td"); cell.textContent = value; row.append(cell);
    }
    return row;
  }));
  count.textContent = `${hits.length.toLocaleString("en")} cells match` + (hits.length > SHOWN ? `, the first ${SHOWN} are shown` : "");
}
filter.addEventListener("input", show); only.addEventListener("change", show); show();

const canvas = document.getElementById("canvas");
if (canvas) {
  const paint = canvas.getContext("2d"), colour = document.getElementById("colour"), tip = document.getElementById("tip");
  const off = new Set();
  let zoom = 1, left = 0, top_ = 0, from = null;
  const W = canvas.width, H = canvas.height, pad = 14;
  const span = values => [Math.min(...values), Math.max(...values)];
  const [x0, x1] = span(data.x), [y0, y1] = span(data.y);
  const scale = Math.min((W - 2 * pad) / (x1 - x0 || 1), (H - 2 * pad) / (y1 - y0 || 1));
  const place = i => [(pad + (data.x[i] - x0) * scale) * zoom + left, (H - pad - (data.y[i] - y0) * scale) * zoom + top_];
  const mix = v => `rgb(${[0, 1, 2].map(k => Math.round([0, 34, 78][k] + v * ([254, 232, 56][k] - [0, 34, 78][k])))})`;
  function shade(i) {
    if (colour.value === "confidence") return mix(data.confidence[i]);
    if (colour.value === "unknown") return data.unknown[i] ? "#d55e00" : "#bbbbbb";
    return data.colours[data.label[i]];
  }
  function draw() {
    paint.fillStyle = "white"; paint.fillRect(0, 0, W, H);
    const r = Math.min(6, (data.x.length > 3000 ? 1.6 : 2.6) * Math.sqrt(zoom));
    for (let i = 0; i < data.x.length; i++) {
      if (off.has(data.label[i])) continue;
      const [x, y] = place(i);
      if (x < -9 || y < -9 || x > W + 9 || y > H + 9) continue;
      paint.fillStyle = shade(i); paint.beginPath(); paint.arc(x, y, r, 0, 7); paint.fill();
    }
    canvas.dataset.zoom = zoom.toFixed(3);
  }
  const at = e => { const b = canvas.getBoundingClientRect(); return [(e.clientX - b.left) * W / b.width, (e.clientY - b.top) * H / b.height]; };
  function magnify(x, y, factor) {
    const next = Math.min(60, Math.max(1, zoom * factor)), f = next / zoom;
    left = x - (x - left) * f; top_ = y - (y - top_) * f; zoom = next;
    if (zoom === 1) { left = 0; top_ = 0; }
    draw();
  }
  canvas.addEventListener("wheel", e => { e.preventDefault(); magnify(...at(e), Math.exp(-e.deltaY / 400)); }, {passive: false});
  canvas.addEventListener("pointerdown", e => { from = at(e); canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", () => { from = null; });
  canvas.addEventListener("pointermove", e => {
    const [x, y] = at(e);
    if (from) { left += x - from[0]; top_ += y - from[1]; from = [x, y]; draw(); return; }
    let best = -1, near = 64;
    for (let i = 0; i < data.x.length; i++) {
      if (off.has(data.label[i])) continue;
      const [a, b] = place(i), d = (a - x) ** 2 + (b - y) ** 2;
      if (d < near) { near = d; best = i; }
    }
    tip.textContent = best < 0 ? "\u00a0" : `${data.name[best]}: ${data.labels[data.label[best]]}, confidence ${data.confidence[best].toFixed(3)}` + (data.unknown[best] ? ", flagged as unknown" : "");
  });
  document.getElementById("in").addEventListener("click", () => magnify(W / 2, H / 2, 1.6));
  document.getElementById("out").addEventListener("click", () => magnify(W / 2, H / 2, 1 / 1.6));
  document.getElementById("all").addEventListener("click", () => { zoom = 1; left = 0; top_ = 0; draw(); });
  colour.addEventListener("change", draw);
  const legend = document.getElementById("legend");
  data.labels.forEach((name, code) => {
    const n = data.label.reduce((sum, value) => sum + (value === code), 0);
    if (!n) return;
    const line = document.createElement("div"), dot = document.createElement("i");
    dot.style.background = data.colours[code]; line.append(dot, `${name} (${n.toLocaleString("en")})`);
    line.addEventListener("click", () => { off.has(code) ? off.delete(code) : off.add(code); line.classList.toggle("off"); draw(); });
    legend.append(line);
  });
  draw();
}
