// Mends Gradio's own parts: names and states for screen readers, what no stylesheet of ours can reach. Runs once; parts come and go, so it looks again at each change.
() => {
  let waiting = false;
  const set = (node, name, value) => { if (value && node.getAttribute(name) !== value) node.setAttribute(name, value); };

  function mend() {
    waiting = false;
    const page = document.querySelector(".gradio-container");  // its hidden overflow makes nothing within it sticky
    if (page) page.style.overflow = "clip";
    for (const button of document.querySelectorAll(".thumbnail-item")) {  // Gradio says "Thumbnail 1 of 8"
      set(button, "aria-label", button.querySelector(".caption-label")?.textContent.trim());
      button.querySelector(".caption-label")?.setAttribute("aria-hidden", "true");  // or it would be said twice
    }
    for (const button of document.querySelectorAll(".gr-accordion > .label-wrap")) {
      set(button, "aria-expanded", String(button.classList.contains("open")));
      button.querySelector(".icon")?.setAttribute("aria-hidden", "true");
    }
    for (const empty of document.querySelectorAll(".empty[aria-label]")) set(empty, "role", "img");
  }

  if (new URLSearchParams(location.search).has("r")) document.documentElement.style.setProperty("--sg-start", "hidden");  // page.css
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(mend); } };
  new MutationObserver(soon).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  soon();
}
