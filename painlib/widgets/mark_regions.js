// Marking regions: one face, its map, thirteen toggles.

const VIEWS = ["original", "Grad-CAM", "both"];

// The map as two small pictures: opaque, and as transparent as it is low.
function paintMap(values, width, height, colours) {
  const [opaque, sheer] = [new ImageData(width, height), new ImageData(width, height)];
  for (let place = 0; place < width * height; place += 1) {
    const value = values.getUint8(place);
    for (let channel = 0; channel < 3; channel += 1) {
      const level = colours.getUint8(3 * value + channel);
      opaque.data[4 * place + channel] = level;
      sheer.data[4 * place + channel] = level;
    }
    opaque.data[4 * place + 3] = 255;
    sheer.data[4 * place + 3] = value;
  }
  return [opaque, sheer].map((pixels) => {
    const canvas = make("canvas", { width, height });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  });
}

// The drawing of the regions, on its own so that its names do not meet the page's.
function makePicture(svg, ids, press) {
  const host = make("div", { className: "plm-picture" });
  const shadow = host.attachShadow({ mode: "open" });
  shadow.innerHTML = svg;
  shadow.append(make("style", { textContent: `
    svg { display: block; width: 100%; height: 100%; }
    .region { cursor: pointer; opacity: 0.45; }
    .region:hover, .region.near { opacity: 0.8; }
    .region.on { opacity: 1; stroke-width: 6; }
    #stage.region:not(.on), #others.region:not(.on) { opacity: 0.7; }` }));
  const groups = ids.map((id) => shadow.getElementById(id));
  groups.forEach((group, region) => {
    group?.classList.add("region");
    group?.addEventListener("click", () => press(region));
  });
  return { host, groups };
}

function render({ model, el }) {
  const regions = model.get("regions");
  const keys = model.get("region_keys");
  const colours = model.get("colours");
  const hasMaps = model.get("has_maps");
  const parts = makeFrame(el, "Face");
  const { root } = parts;
  root.classList.add("plm");
  let view = hasMaps ? 2 : 0;
  let opacity = 0.7;
  let asked = null; // when the switch to the face shown was asked for

  const link = new Link(model, {
    unpack: (message, buffers) => {
      if (buffers.length < 2) return {};
      const { map_width: width, map_height: height } = message;
      const [opaque, sheer] = paintMap(buffers[1], width, height, colours);
      return { opaque, sheer };
    },
    told: () => update(),
    shown: () => update(),
  });

  const paint = (context, { x, y, w, h }) => {
    const item = link.items.get(link.position);
    parts.zoomed.textContent = `${viewport.zoom.toFixed(1)}×`;
    if (!item?.image) return;
    if (view !== 1 || !item.opaque) context.drawImage(item.image, x, y, w, h);
    if (view === 1 && item.opaque) context.drawImage(item.opaque, x, y, w, h);
    if (view === 2 && item.sheer) {
      context.globalAlpha = opacity;
      context.drawImage(item.sheer, x, y, w, h);
      context.globalAlpha = 1;
    }
  };
  const viewport = new Viewport(parts.canvas, { most: 4, paint });

  const toggle = (region) => {
    if (!link.ready) return;
    const [bits, , done] = link.answers[link.position];
    link.answers[link.position] = [bits ^ (1 << region), 0, done];
    link.step("toggle", { region });
    update();
  };
  const judge = () => {
    if (!link.ready) return;
    const [, cannot, done] = link.answers[link.position];
    link.answers[link.position] = [0, 1 - cannot, done];
    link.step("judge");
    update();
  };
  const go = (does, event) => {
    if (!link.ready) return;
    asked = event?.timeStamp ?? performance.now();
    if (does === "next") {
      const [bits, cannot, done] = link.answers[link.position];
      link.done += 1 - done;
      link.answers[link.position] = [bits, cannot, 1];
    }
    link.move(does);
    update();
  };
  const undo = () => link.ready && link.step("undo");
  const look = (which) => {
    if (!hasMaps && which) return;
    view = which;
    update();
  };
  const fade = (by) => {
    opacity = Math.min(1, Math.max(0, Math.round(10 * (opacity + by)) / 10));
    update();
  };
  const explain = () => root.classList.toggle("plm-explained");

  const picture = model.get("picture") ? makePicture(model.get("picture"), model.get("region_ids"), toggle) : null;
  const toggles = regions.map((name, region) => {
    const button = makeButton(keys[region], name, () => toggle(region), { title: model.get("definitions")[region] });
    button.dataset.region = name;
    const fill = picture?.groups[region]?.getAttribute("fill");
    if (fill) button.style.setProperty("--plm-swatch", fill);
    for (const [kind, on] of [["pointerenter", true], ["pointerleave", false]]) {
      button.addEventListener(kind, () => picture?.groups[region]?.classList.toggle("near", on));
    }
    return button;
  });
  const cannot = makeButton("j", "cannot judge", judge, { className: "plm-cannot" });
  const views = VIEWS.map((name, which) => makeButton(String(which + 1), name, () => look(which), { disabled: !hasMaps && which > 0 }));
  const slider = make("input", {
    type: "range", min: 0, max: 1, step: 0.05, tabIndex: -1, disabled: !hasMaps, title: "Opacity of the map (↑ ↓)",
    oninput: () => { opacity = Number(slider.value); update(); },
  });
  const scale = make("span", { className: "plm-scale", title: "Colours of the map, from low to high" });
  scale.style.background = `linear-gradient(to right, ${[0, 51, 102, 153, 204, 255]
    .map((value) => `rgb(${[0, 1, 2].map((channel) => colours.getUint8(3 * value + channel))})`).join(",")})`;

  parts.column = make("div", { className: "plm-column" }, ...toggles, cannot);
  const main = make("div", { className: "plm-main" }, parts.stage, parts.column);
  if (picture) main.append(picture.host);
  const explaining = picture ? [makeButton("k", "key", explain, { className: "plm-explain", title: "Where the regions are" })] : [];
  const { back, foot } = makeFoot(
    [make("span", { className: "plm-views" }, ...views), make("label", {}, slider, scale), ...explaining],
    makeZoom(() => viewport, parts),
    {
      go, undo, kind: "plm",
      help: "Mark every region that the map lights up; none is an answer too. Space or → keeps the face as marked; G: next face without an answer; ↑ ↓: opacity; wheel: zoom.",
    },
  );
  root.append(parts.header, main, ...foot);

  takeKeys(root, {
    go, undo, viewport,
    first: (key) => {
      if (key === "ArrowUp") fade(0.1);
      else if (key === "ArrowDown") fade(-0.1);
      else return false;
      return true;
    },
    own: (key) => {
      const region = keys.indexOf(key);
      if (region >= 0) toggle(region);
      else if (key === "j") judge();
      else if (key === "k") explain();
      else if (["1", "2", "3"].includes(key)) look(Number(key) - 1);
      else return false;
      return true;
    },
  });

  function update() {
    tellProgress(parts, link, "Face", "marked");
    const [bits, unclear, done] = link.answers[link.position] ?? [0, 0, 0];
    toggles.forEach((button, region) => {
      const on = Boolean(bits & (1 << region));
      button.setAttribute("aria-pressed", on);
      picture?.groups[region]?.classList.toggle("on", on);
    });
    cannot.setAttribute("aria-pressed", Boolean(unclear));
    root.classList.toggle("plm-done", Boolean(done));
    views.forEach((button, which) => button.setAttribute("aria-pressed", which === view));
    slider.value = opacity;
    back.disabled = link.position === 0;
    if (showItem(parts, link, viewport, asked)) asked = null;
  }

  update();
  return endBoth(link, viewport);
}

export default { render };
