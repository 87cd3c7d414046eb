// On paper the whole map fits one A3, landscape: before printing, find the scale at which it does.
const WIDTH = 1515; // CSS pixels of A3 landscape inside 10 mm margins, a little less for rounding
const HEIGHT = 1040;

export function fitPaper() {
  const root = document.documentElement;
  addEventListener("beforeprint", () => {
    if (!document.querySelector(".map")) return;
    root.classList.add("printing");
    // wider lines at a smaller scale: the largest scale at which the map is not higher than the sheet
    const height = (scale) => {
      document.body.style.width = `${WIDTH / scale}px`;
      return document.body.scrollHeight * scale;
    };
    let scale = 1;
    if (height(1) > HEIGHT) {
      let low = 0.2;
      let high = 1;
      for (let round = 0; round < 8; round++) {
        scale = (low + high) / 2;
        if (height(scale) > HEIGHT) high = scale;
        else low = scale;
      }
      scale = low;
    }
    document.body.style.zoom = String(scale);
    document.body.style.width = `${WIDTH / scale}px`;
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    document.body.style.zoom = "";
    document.body.style.width = "";
  });
}
