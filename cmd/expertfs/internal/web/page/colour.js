// Colours of the style sheet, as the present theme has them.

const probe = document.createElement("i");
probe.hidden = true;
const mixer = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
mixer.canvas.width = mixer.canvas.height = 1;

class Colour {
  constructor(css) {
    this.css = css;
    mixer.fillStyle = css;
    mixer.fillRect(0, 0, 1, 1);
    this.rgb = mixer.getImageData(0, 0, 1, 1).data;
  }
  // mix is this colour with a share of another, as CSS writes it.
  mix(other, share) {
    const part = (i) => Math.round(this.rgb[i] + share * (other.rgb[i] - this.rgb[i]));
    return `rgb(${part(0)} ${part(1)} ${part(2)})`;
  }
}

// colour is the value of a variable of the style sheet.
export function colour(name) {
  document.body.append(probe);
  probe.style.color = `var(${name})`;
  return new Colour(getComputedStyle(probe).color);
}
