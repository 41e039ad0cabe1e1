// Labelling nose and eyes: one frame, three points.

const LOOKS = [
  { key: "n", colour: "#009E73", letter: "N" },
  { key: "r", colour: "#E69F00", letter: "R" },
  { key: "l", colour: "#56B4E9", letter: "L" },
]; // the figures' colours
const NEAR_PX = 12; // a point so near the pointer is taken hold of

function render({ model, el }) {
  const names = model.get("points");
  const sizes = model.get("sizes");
  const captions = model.get("captions");
  const parts = makeFrame(el, "Frame");
  const { root } = parts;
  root.classList.add("plp");
  let current = 0; // the point that the next click places
  let at = -1; // the place that `current` belongs to
  let asked = null;
  let moving = null;

  const link = new Link(model, { unpack: () => ({}), told: () => update(), shown: () => update() });
  const points = () => moving ?? link.answers[link.position] ?? [null, null, null];
  const size = () => sizes[link.position];
  // Pixel centres are whole numbers: the image's left edge is at -0.5 px.
  const toPx = ([x, y]) => [x * size()[0] - 0.5, y * size()[1] - 0.5].map((px, axis) => Math.min(Math.max(px, 0), size()[axis] - 1));
  const toShare = ([x, y]) => [(x + 0.5) / size()[0], (y + 0.5) / size()[1]];
  const isPlaced = (answer) => Array.isArray(answer);
  const findOpen = () => points().findIndex((answer) => answer === null);

  const answer = (point, value, does, more) => {
    if (!link.ready) return;
    const before = link.answers[link.position];
    const wasOpen = before.includes(null);
    const now = before.map((old, which) => (which === point || point === null ? value : old));
    link.answers[link.position] = now;
    link.done += Number(wasOpen) - Number(now.includes(null));
    link.step(does, more);
    if (point === null || value === null) current = Math.max(0, value === null ? point : 0);
    else if (findOpen() >= 0) current = findOpen();
    update();
  };
  const put = (point, [x, y]) => answer(point, [x, y], "place", { point, x, y });
  const sayAbsent = (point) => answer(point, "absent", "absent", { point });
  const sayNone = () => answer(null, "absent", "none", {});
  const clear = (point) => points()[point] !== null && answer(point, null, "clear", { point });
  const go = (does, event) => {
    if (!link.ready) return;
    asked = event?.timeStamp ?? performance.now();
    link.move(does);
    update();
  };
  const undo = () => {
    at = -1;
    if (link.ready) link.step("undo");
  };
  const nudge = (dx, dy) => {
    const answered = points()[last()];
    if (isPlaced(answered)) put(last(), [answered[0] + dx, answered[1] + dy]);
  };
  // The point that was placed last: the one before the open one, or the chosen one.
  const last = () => (isPlaced(points()[current]) ? current : [...points().keys()].reverse().find((which) => isPlaced(points()[which])) ?? 0);

  const viewport = new Viewport(parts.canvas, {
    most: 8,
    paint,
    click: (event) => {
      const [x, y] = viewport.toImage(event);
      if (x >= 0 && x <= 1 && y >= 0 && y <= 1) put(current, toPx([x, y]));
    },
    grab: (event) => {
      const box = parts.canvas.getBoundingClientRect();
      const away = points().map((point) => {
        if (!isPlaced(point)) return Infinity;
        const [x, y] = viewport.toCanvas(toShare(point));
        return Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
      });
      const which = away.indexOf(Math.min(...away));
      if (away[which] > NEAR_PX) return null;
      const place = (now) => toPx(viewport.toImage(now));
      return {
        move: (now) => {
          moving = link.answers[link.position].map((old, point) => (point === which ? place(now) : old));
          viewport.draw();
        },
        drop: (now) => {
          moving = null;
          current = which;
          put(which, place(now));
        },
      };
    },
  });

  function paint(context, { x, y, w, h }) {
    parts.zoomed.textContent = `${viewport.zoom.toFixed(1)}×`;
    const item = link.items.get(link.position);
    if (!item?.image) return;
    context.drawImage(item.image, x, y, w, h);
    points().forEach((point, which) => {
      if (!isPlaced(point)) return;
      const [px, py] = viewport.toCanvas(toShare(point));
      // A ring with an open middle, so that the point itself can be seen.
      for (const [colour, width] of [["#000", 5], [LOOKS[which].colour, 2.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        context.arc(px, py, 8, 0, 2 * Math.PI);
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          context.moveTo(px + 8 * dx, py + 8 * dy);
          context.lineTo(px + 13 * dx, py + 13 * dy);
        }
        context.stroke();
      }
      context.fillStyle = LOOKS[which].colour;
      context.fillRect(px - 1, py - 1, 2, 2);
      context.font = "bold 13px sans-serif";
      context.lineWidth = 3;
      context.strokeStyle = "#000";
      context.strokeText(LOOKS[which].letter, px + 12, py - 9);
      context.fillText(LOOKS[which].letter, px + 12, py - 9);
    });
  }

  const chips = names.map((name, which) => {
    const button = makeButton(LOOKS[which].key, name, () => { current = which; update(); }, { className: "plp-chip" });
    button.style.setProperty("--plp-colour", LOOKS[which].colour);
    button.append(make("em"));
    button.dataset.point = name;
    return button;
  });
  const absent = makeButton("a", "absent", () => sayAbsent(current), { title: "The chosen point cannot be seen in this frame" });
  const none = makeButton("x", "none", sayNone, { title: "None of the three can be seen: no face in this frame" });
  parts.caption = make("span", { className: "plp-caption" });
  const { back, foot } = makeFoot([parts.caption], makeZoom(() => viewport, parts), {
    go, undo, kind: "plp",
    help: "Right and left are the mouse's own. Click places the highlighted point; drag mends it, Shift and arrows move it by a px, Del takes it away. Space or →: next frame; G: next open frame; wheel: zoom; drag the image: move it.",
  });
  root.append(parts.header, make("div", { className: "plw-row plp-chips" }, ...chips, absent, none), parts.stage, ...foot);

  takeKeys(root, {
    go, undo, viewport,
    first: (key, event) => {
      const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
      if (!event.shiftKey || !ways[key]) return false;
      nudge(...ways[key]);
      return true;
    },
    own: (key) => {
      const which = LOOKS.findIndex((look) => look.key === key);
      if (which >= 0) { current = which; update(); }
      else if (key === "a") sayAbsent(current);
      else if (key === "x") sayNone();
      else if (key === "Delete" || key === "Backspace") clear(last());
      else return false;
      return true;
    },
  });

  function update() {
    tellProgress(parts, link, "Frame", "labelled");
    if (link.ready && at !== link.position) {
      at = link.position;
      current = Math.max(0, findOpen());
      viewport.reset();
    }
    chips.forEach((button, which) => {
      const answered = points()[which];
      button.setAttribute("aria-pressed", which === current);
      button.lastChild.textContent = isPlaced(answered) ? "●" : answered === "absent" ? "absent" : "?";
      button.dataset.answer = isPlaced(answered) ? "placed" : answered ?? "open";
    });
    back.disabled = link.position === 0;
    parts.caption.textContent = link.ready ? captions[link.position] : "";
    root.dataset.current = names[current];
    if (showItem(parts, link, viewport, asked)) asked = null;
  }

  update();
  return endBoth(link, viewport);
}

export default { render };
