// On paper the whole map fits one A3, landscape: before printing, find the scale at which it does.
const WIDTH = 1515; // CSS pixels of A3 landscape inside 10 mm margins, a little less for rounding
const HEIGHT = 1040;

export function fitPaper() {
  const root = document.documentElement;
  addEventListener("beforeprint", () => {
    if (!document.querySelector(".map")) return;
    root.classList.add("printing");
    let scale = 1;
    for (let round = 0; round < 8; round++) {
      document.body.style.width = `${WIDTH / scale}px`;
      const height = document.body.scrollHeight;
      const fits = HEIGHT / height;
      if (fits >= scale * 0.995) break;
      scale = Math.max(0.25, Math.sqrt(scale * fits) * 0.995);
    }
    document.body.style.width = "";
    root.style.setProperty("--paper-scale", String(scale));
    document.body.style.zoom = String(scale);
    document.body.style.width = `${WIDTH / scale}px`;
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    document.body.style.zoom = "";
    document.body.style.width = "";
  });
}
