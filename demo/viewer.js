// The head that can be turned. Runs once for the component; `element`, `trigger` and `watch` come from Gradio.
const canvas = element.querySelector(".sv-canvas"), picture = canvas.getContext("2d");
const photo = element.querySelector(".sv-photo"), hint = element.querySelector(".sv-hint");
const legend = element.querySelector(".sv-legend");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const DEGREES_PER_PIXEL = 0.25, FRICTION = 0.92, SLOW = 0.02, SETTLE = 160, TURN = 5200, STRIP_AFTER = 1400, BETTER_AFTER = 120;
let head = null, full = null, coarse = null, still = null, stale = false;
let yaw = 0, pitch = 0, speed = 0, held = null, pressed = false, draft = false, near = "", turning = false, started = 0, settle = 0, rest = 0, drawn = "";

const ready = image => image && image.complete && image.naturalWidth > 0;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function load(source, done) {
  if (!source) return null;
  const image = new Image();
  image.onload = done;
  image.src = typeof source === "string" ? source : source.url;
  return image;
}

function nearest() {
  let best = 0;
  head.yaws.forEach((angle, number) => { if (Math.abs(angle - yaw) < Math.abs(head.yaws[best] - yaw)) best = number; });
  return best;
}

function draw(force) {
  if (!head) return;
  const fresh = ready(still) && !turning && Math.abs(still.yaw - yaw) < 0.6 && Math.abs(still.pitch - pitch) < 0.6;
  const strip = ready(full) ? full : coarse, number = nearest();
  const name = fresh ? `still ${still.count}` : `${strip && strip.src} ${number}`;
  if (!force && name === drawn) return;
  if (fresh) {
    picture.drawImage(still, 0, 0, canvas.width, canvas.height);
  } else if (stale && ready(still) && !head.own) {
    return;  // edited, and no strip of the edited head yet: the last picture stays until the server's next one
  } else if (ready(strip)) {
    const side = strip.naturalWidth / head.columns;
    picture.drawImage(strip, number % head.columns * side, Math.floor(number / head.columns) * side, side, side, 0, 0, canvas.width, canvas.height);
  } else {
    return;
  }
  drawn = name;
  canvas.dataset.frame = name;
  canvas.setAttribute("aria-valuenow", Math.round(yaw));
  canvas.setAttribute("aria-valuetext", `${Math.round(yaw)}°`);
}

function step(now) {
  if (!element.isConnected) return;
  if (turning && head && document.visibilityState === "visible") {
    const share = ((now - started) % TURN) / TURN, reach = head.yaws[head.yaws.length - 1];
    yaw = reach * Math.sin(2 * Math.PI * share);
    draw();
  } else if (!held && Math.abs(speed) > SLOW) {
    speed *= FRICTION;
    move(speed, 0);
    if (Math.abs(speed) <= SLOW) ask();
  }
  requestAnimationFrame(step);
}

function move(across, up) {
  const low = head ? head.yaws[0] : -35, high = head ? head.yaws[head.yaws.length - 1] : 35;
  const beyond = (yaw > high && across > 0) || (yaw < low && across < 0);
  yaw = clamp(yaw + across * (beyond ? 0.35 : 1), low - 15, high + 15);  // it ends gently
  pitch = clamp(pitch + up, -20, 20);
  draw();
}

function ask(soon = SETTLE) {
  clearTimeout(settle);
  settle = setTimeout(() => trigger("turn", { yaw: Math.round(yaw * 10) / 10, pitch: Math.round(pitch * 10) / 10 }), soon);
  clearTimeout(rest);
  if (stale) rest = setTimeout(() => trigger("strip", {}), STRIP_AFTER);
}

function better() {
  if (draft && !pressed) ask(BETTER_AFTER);
}

for (const name of ["pointerdown", "pointerup", "pointercancel"]) {
  addEventListener(name, () => {
    pressed = name === "pointerdown";
    better();
  }, { capture: true });
}

// The first edit of a head takes seconds of preparation; it begins when the hand comes near the sliders.
for (const name of ["pointerover", "focusin"]) {
  addEventListener(name, event => {
    if (!head || !head.id || head.id === near || !event.target.closest || !event.target.closest(".sg-edit")) return;
    near = head.id;
    trigger("near", {});
  }, { capture: true, passive: true });
}

function take() {
  turning = false;
  hint.hidden = photo.hidden = true;
}

canvas.addEventListener("pointerdown", event => {
  if (!head) return;
  take();
  canvas.setPointerCapture(event.pointerId);
  held = { x: event.clientX, y: event.clientY };
  speed = 0;
});
canvas.addEventListener("pointermove", event => {
  if (!held) return;
  const scale = DEGREES_PER_PIXEL * 512 / canvas.clientWidth;
  const across = -(event.clientX - held.x) * scale, up = (event.clientY - held.y) * scale;
  held = { x: event.clientX, y: event.clientY };
  speed = calm.matches ? 0 : across;
  move(across, up * 0.6);
  if (stale && !head.own) ask(40);
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, () => {
    if (!held) return;
    held = null;
    if (Math.abs(speed) <= SLOW) ask();
  });
}
canvas.addEventListener("dblclick", () => { if (head) { take(); speed = 0; yaw = pitch = 0; draw(); ask(); } });
canvas.addEventListener("keydown", event => {
  const moves = { ArrowLeft: [-4, 0], ArrowRight: [4, 0], ArrowUp: [0, 4], ArrowDown: [0, -4] };
  if (!head || !(event.key in moves || event.key === "Home")) return;
  event.preventDefault();
  take();
  speed = 0;
  if (event.key === "Home") { yaw = pitch = 0; draw(); } else move(...moves[event.key]);
  ask();
});

function speak(said) {
  document.documentElement.lang = said.language;
  document.title = said.title;
  element.querySelector(".sv").setAttribute("aria-label", said.stage);
  canvas.setAttribute("aria-label", said.turn);
  photo.alt = said.photo;
  hint.textContent = said.hint;
  legend.replaceChildren(...Object.entries(said.legend).map(([name, text]) => {
    const entry = document.createElement("li");
    entry.className = `sv-${name}`;
    entry.textContent = text;
    return entry;
  }));
}

function show(value) {
  if (!value) return;
  if (value.said) speak(value.said);
  photo.hidden = !value.photo;
  if (value.photo) photo.src = value.photo;
  if (value.strip) {  // another head, or the same one edited
    const other = !head || head.id !== value.id;
    head = value;
    if (other) legend.hidden = true;
    stale = Boolean(value.stale);
    coarse = load(value.coarse, () => draw(true)) || coarse;
    full = load(value.strip, () => { canvas.dataset.own = Boolean(value.own); draw(true); });
    if (other) {
      still = null;
      speed = 0;
      turning = !calm.matches;
      started = performance.now();
      yaw = pitch = 0;
      hint.hidden = false;
      drawn = "";
      if (!turning) ask();
    }
    element.querySelector(".sv").classList.add("sv-ready");
  }
  if (value.still) {
    head = head || { id: "", yaws: [-35, 0, 35], columns: 1, own: true };
    element.querySelector(".sv").classList.add("sv-ready");
    const fresh = load(value.still, () => {
      still = fresh;
      legend.hidden = !value.legend;
      hint.hidden = hint.hidden || value.legend;
      turning = turning && !value.stop;
      if (value.stop && !held) { yaw = value.yaw; pitch = value.pitch; }
      draft = Boolean(value.draft);
      canvas.dataset.draft = draft;
      draw(true);
      better();
    });
    Object.assign(fresh, { yaw: value.yaw, pitch: value.pitch, count: value.count });
    if (value.stale !== undefined) {
      stale = value.stale;
      if (head) head.own = head.own && !stale;
      clearTimeout(rest);
      if (stale) rest = setTimeout(() => trigger("strip", {}), STRIP_AFTER);
    }
  }
}

watch("value", () => show(props.value));
show(props.value);
requestAnimationFrame(step);
