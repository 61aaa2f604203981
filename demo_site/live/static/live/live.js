// Say so while the web process is gone. htmx goes on asking, and so finds the next one.
const notice = document.getElementById.bind(document, "notice");
let isGone = false;

document.addEventListener("htmx:error", () => {
  isGone = true;
  notice().innerHTML = "<p>The web process does not answer. The runner starts it again …</p>";
});
document.addEventListener("htmx:after:request", () => {
  if (isGone) notice().replaceChildren();
  isGone = false;
});
