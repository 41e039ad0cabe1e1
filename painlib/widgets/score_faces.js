// Scoring faces: one face, five units, three drawings each.

const CANNOT = -1;
const DEGREES = [0, 1, 2];

// One panel of the reference picture, on its own.
function cutDrawing(picture, id) {
  const panel = document.importNode(picture.getElementById(id), true);
  for (const name of ["id", "x", "y", "width", "height"]) panel.removeAttribute(name);
  panel.querySelector("title")?.remove(); // the button has its words
  panel.setAttribute("aria-hidden", "true");
  return panel;
}

function render({ model, el }) {
  const units = model.get("units");
  const ids = model.get("unit_ids");
  const keys = model.get("unit_keys");
  const definitions = model.get("definitions");
  const words = model.get("degree_words");
  const parts = makeFrame(el, "Face");
  const { root } = parts;
  root.classList.add("pls");
  let current = 0; // the unit that the next digit scores
  let at = -1; // the place that `current` belongs to
  let asked = null; // when the switch to the face shown was asked for

  const link = new Link(model, { unpack: () => ({}), told: () => update(), shown: () => update() });
  const said = () => link.answers[link.position] ?? [units.map(() => null), 0, 0];
  const findOpen = (from) => {
    const [scores] = said();
    const order = units.map((_, by) => (from + by) % units.length);
    return order.find((unit) => scores[unit] === null) ?? -1;
  };

  const viewport = new Viewport(parts.canvas, {
    most: 6,
    paint: (context, { x, y, w, h }) => {
      parts.zoomed.textContent = `${viewport.zoom.toFixed(1)}×`;
      const item = link.items.get(link.position);
      if (item?.image) context.drawImage(item.image, x, y, w, h);
    },
  });

  const answer = (scores, rejected, does, more) => {
    const done = Number(Boolean(rejected) || !scores.includes(null));
    link.done += done - said()[2];
    link.answers[link.position] = [scores, rejected, done];
    link.step(does, more);
  };
  const score = (unit, value) => {
    if (!link.ready) return;
    answer(said()[0].map((old, which) => (which === unit ? value : old)), 0, "score", { unit, value });
    const open = findOpen(unit);
    current = open < 0 ? unit : open;
    update();
  };
  const reject = () => {
    if (!link.ready) return;
    answer(units.map(() => null), 1 - said()[1], "reject");
    current = 0;
    update();
  };
  const choose = (unit) => {
    current = (unit + units.length) % units.length;
    update();
  };
  const go = (does, event) => {
    if (!link.ready) return;
    asked = event?.timeStamp ?? performance.now();
    link.move(does);
    update();
  };
  const undo = () => {
    if (!link.ready) return;
    at = -1; // the unit to score is found anew, with what Python answers
    link.step("undo");
    tellProgress(parts, link, "Face", "scored");
  };

  const picture = new DOMParser().parseFromString(model.get("drawings"), "image/svg+xml");
  const rows = units.map((name, unit) => {
    const label = makeButton(keys[unit], name, () => choose(unit), { className: "pls-name", title: definitions[unit] });
    const drawn = DEGREES.map((degree) => {
      const button = make(
        "button",
        { type: "button", tabIndex: -1, className: "pls-degree", title: `${degree}: ${words[unit][degree]}`, onclick: () => score(unit, degree) },
        cutDrawing(picture, `${ids[unit]}_${degree}`),
        keyCap(String(degree)),
      );
      button.dataset.value = degree;
      return button;
    });
    const cannot = makeButton("j", "?", () => score(unit, CANNOT), { className: "pls-cannot", title: "Cannot judge this unit", "aria-label": "Cannot judge" });
    cannot.dataset.value = CANNOT;
    const row = make("div", { className: "pls-unit", role: "group", "aria-label": name }, label, ...drawn, cannot);
    row.dataset.unit = ids[unit];
    return { row, label, buttons: [...drawn, cannot] };
  });
  const panel = make("div", { className: "pls-units" }, ...rows.map(({ row }) => row));
  const meaning = make("span");
  const out = makeButton("b", "blurry: out", reject, { className: "pls-out", title: "The face cannot be scored at all" });
  const told = make("span", { className: "pls-told" });
  const { back, foot } = makeFoot([out], makeZoom(() => viewport, parts, "f"), {
    go, undo, kind: "pls",
    help: "0 1 2 score the framed unit, J: it cannot be judged; its letter or ↑ ↓ choose another. Space or →: next face; G: next open face; wheel: zoom; drag: move.",
  });
  root.append(
    parts.header,
    make("div", { className: "pls-main" }, parts.stage, panel),
    make("div", { className: "pls-meaning" }, meaning, told),
    ...foot,
  );

  takeKeys(root, {
    go, undo, viewport, fit: "f",
    first: (key) => {
      if (key === "ArrowUp") choose(current - 1);
      else if (key === "ArrowDown") choose(current + 1);
      else return false;
      return true;
    },
    own: (key) => {
      const unit = keys.indexOf(key);
      if (["0", "1", "2"].includes(key)) score(current, Number(key));
      else if (key === "j") score(current, CANNOT);
      else if (unit >= 0) choose(unit);
      else if (key === "b") reject();
      else return false;
      return true;
    },
  });

  function update() {
    tellProgress(parts, link, "Face", "scored");
    if (link.ready && at !== link.position) {
      at = link.position;
      current = Math.max(0, findOpen(0));
      viewport.reset();
    }
    const [scores, rejected, done] = said();
    rows.forEach(({ row, buttons }, unit) => {
      row.classList.toggle("pls-current", unit === current && !rejected);
      for (const button of buttons) button.setAttribute("aria-pressed", scores[unit] === Number(button.dataset.value));
    });
    panel.classList.toggle("pls-rejected", Boolean(rejected));
    out.setAttribute("aria-pressed", Boolean(rejected));
    root.classList.toggle("pls-done", Boolean(done));
    root.dataset.current = ids[current];
    meaning.replaceChildren(make("b", { textContent: `${units[current]}: ` }), definitions[current]);
    const answered = scores.filter((value) => value !== null).length;
    told.textContent = rejected ? "out" : done ? "complete" : `${answered} of ${units.length} units`;
    back.disabled = link.position === 0;
    if (showItem(parts, link, viewport, asked)) asked = null;
  }

  update();
  return endBoth(link, viewport);
}

export default { render };
