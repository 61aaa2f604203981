// Draw the diagrams in the colours of the page, and anew when those change.
(() => {
  const diagrams = [...document.querySelectorAll("pre.diagram")].map((element) => ({
    element,
    text: element.textContent,
  }));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const chosen = document.body.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && dark.matches);
  };

  const colours = (dark) => {
    const [paper, frame, box, note, border, line, ink] = dark
      ? ["#131416", "#1a1c1e", "#262b31", "#2d3654", "#6b7684", "#a8b0bc", "#e8e8e8"]
      : ["#ffffff", "#fafbfd", "#f0f3f8", "#e8edfb", "#8d97a5", "#4f5a68", "#16181a"];
    return {
      darkMode: dark,
      background: paper,
      primaryColor: box,
      primaryTextColor: ink,
      primaryBorderColor: border,
      secondaryColor: frame,
      tertiaryColor: frame,
      lineColor: line,
      textColor: ink,
      clusterBkg: frame,
      clusterBorder: border,
      titleColor: ink,
      edgeLabelBackground: paper,
      noteBkgColor: note,
      noteTextColor: ink,
      noteBorderColor: border,
      signalColor: line,
      signalTextColor: ink,
      actorLineColor: border,
    };
  };

  let drawn;
  const draw = async () => {
    if (drawn === isDark()) return;
    drawn = isDark();
    mermaid.initialize({
      startOnLoad: false,
      securityLevel: "strict",
      theme: "base",
      themeVariables: colours(drawn),
      fontFamily: getComputedStyle(document.body).fontFamily,
    });
    for (const [number, { element, text }] of diagrams.entries()) {
      const { svg } = await mermaid.render(`diagram-${number}`, text);
      element.innerHTML = svg;
    }
  };

  dark.addEventListener("change", draw);
  new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-theme"] });
  draw();
})();
