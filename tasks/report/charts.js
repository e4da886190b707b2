// Puts an interactive chart in the place of each still picture, once it comes near. Without it, and on paper, the pictures stand.
{
  const holder = document.getElementById("library");
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
    const live = document.createElement("div");
    live.className = "live";
    live.setAttribute("aria-hidden", "true"); // the picture's words stand for both
    chart.append(live);
    await window.vegaEmbed(live, { ...spec, width: "container", autosize: config.autosize }, {
      actions: false,
      ast: true, // no text becomes code: the policy of the page lets none
      config,
      defaultStyle: false,
      renderer: "svg", // colours follow the style sheet
      tooltip: { disableDefaultStyle: true },
    });
    chart.classList.add("drawn");
    document.getElementById("chart-help").hidden = false;
  };
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target).catch((problem) => console.error(problem));
    }
  }, { rootMargin: "400px" });
  for (const chart of document.querySelectorAll(".chart")) {
    chart.classList.add("waiting"); // keeps the height that the chart will have: nothing moves under a reader
    near.observe(chart);
  }
}
