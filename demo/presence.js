// Tells the server that the page is open, and when it is closed. Runs once for the component; `props.value` is {session, every}.
const address = sign => {
  const root = new URL(window.gradio_config?.root || "./", document.baseURI).pathname.replace(/\/$/, "");
  return `${location.origin}${root}/visit/${encodeURIComponent(props.value.session)}/${sign}`;
};
const here = () => { if (props.value) fetch(address("here"), { method: "POST", keepalive: true }).catch(() => {}); };
let timer = 0;

function begin() {
  clearInterval(timer);
  if (props.value) timer = setInterval(here, 1000 * props.value.every);
}

watch("value", begin);
begin();
document.addEventListener("visibilitychange", () => { if (!document.hidden) here(); });
window.addEventListener("online", here);
window.addEventListener("pagehide", () => { if (props.value) navigator.sendBeacon(address("left")); });
