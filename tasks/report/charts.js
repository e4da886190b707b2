// Puts an interactive chart in the place of each still picture, once it comes near. Without it, on paper, and in browsers that
// lack what it needs, the pictures stand.
const holder = document.getElementById("library");
if ("IntersectionObserver" in window && (holder.dataset.file || "DecompressionStream" in window)) {
  const help = document.getElementById("chart-help");
  const NARROW = 400, LEAST = 100; // pixels: of a chart with room for one column of names, and of what is inside its axes
  const unpack = async () => {
    const packed = Uint8Array.from(atob(holder.textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const load = async () => {
    const script = document.createElement("script"), { file } = holder.dataset;
    if (file) {
      const loaded = new Promise((done, failed) => { script.onload = done; script.onerror = failed; });
      script.src = file;
      document.head.append(script);
      await loaded;
    } else {
      script.textContent = await unpack();
      document.head.append(script);
    }
  };
  let library;
  const draw = async (chart) => {
    await (library ??= load());
    const spec = JSON.parse(chart.nextElementSibling.textContent);
    const config = JSON.parse(document.getElementById("chart-config").textContent);
    const narrow = chart.clientWidth < NARROW;
    if (narrow) config.legend.columns = 1;
    const live = document.createElement("div");
    live.className = "live";
    live.setAttribute("aria-hidden", "true"); // the picture's words stand for both
    chart.append(live);
    const { view } = await window.vegaEmbed(live, { ...spec, width: "container", autosize: config.autosize }, {
      actions: false,
      ast: true, // no text becomes code: the policy of the page lets none
      config,
      defaultStyle: false,
      renderer: "svg", // colours follow the style sheet
      tooltip: { disableDefaultStyle: true },
    });
    const grown = live.querySelector("svg").height.baseVal.value - chart.querySelector("svg").height.baseVal.value;
    if (narrow && grown > 0) await view.height(Math.max(view.height() - grown, LEAST)).runAsync(); // nothing moves
    chart.classList.add("drawn");
  };
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target).catch((problem) => {
        console.error(problem);
        help.hidden = !document.querySelector(".drawn");
      });
    }
  }, { rootMargin: "400px" });
  help.hidden = false; // before anything is drawn: nothing moves under a reader
  for (const chart of document.querySelectorAll(".chart")) {
    chart.classList.add("waiting"); // keeps the height that the chart will have
    near.observe(chart);
  }
}
