// A folded menu closes on Escape, on a click elsewhere, and when the focus leaves it.
export function menu() {
  for (const folded of document.querySelectorAll("details[data-menu]")) {
    const close = () => {
      folded.open = false;
    };
    folded.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !folded.open) return;
      close();
      folded.querySelector("summary").focus();
    });
    folded.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !folded.contains(event.relatedTarget)) close();
    });
    document.addEventListener("click", (event) => {
      if (!folded.contains(event.target)) close();
    });
  }
}
