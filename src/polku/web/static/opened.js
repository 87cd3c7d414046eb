// Tells once that somebody has had this survey before their eyes: programs that follow the links of a letter look at a
// page and go. Without scripts nothing is told, and the form works all the same.
const form = document.querySelector("form[data-opened]");
if (form) {
  const needed = 2000;
  let timer;
  const tell = () => {
    document.removeEventListener("visibilitychange", look);
    const told = new URLSearchParams(new FormData(form));
    for (const name of [...told.keys()]) if (!["response", "via", "place"].includes(name)) told.delete(name);
    told.set("opened", "1");
    navigator.sendBeacon(form.action, told);
  };
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") timer = setTimeout(tell, needed);
  };
  document.addEventListener("visibilitychange", look);
  look();
}
