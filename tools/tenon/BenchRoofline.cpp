//===- BenchRoofline.cpp - A roofline plot of the launches ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchRoofline.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tenon::tool {

namespace {

constexpr double kWidth = 960, kHeight = 600, kLeft = 80, kRight = 930, kTop = 60, kBottom = 530;

std::string escaped(const std::string &text) {
  std::string out;
  for (char c : text)
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      // Control characters are not XML 1.0, escaped or not.
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  return out;
}

struct Mark {
  std::string label;
  double intensity, rate; ///< MAC per byte, MAC per second.
  bool prefill;
};

/// A logarithmic axis from decade to decade.
struct Axis {
  double low, high; ///< Decimal logarithms.
  double from, to;  ///< Pixels.
  double at(double value) const {
    return from + (std::log10(value) - low) / (high - low) * (to - from);
  }
};

Axis axisOver(double least, double most, double from, double to) {
  return {std::floor(std::log10(least)), std::ceil(std::log10(most) + 1e-9), from, to};
}

class Plot {
public:
  Plot(std::string title, std::vector<Mark> marks, const ChipLimits &chip);
  std::string draw();

private:
  void line(double x1, double y1, double x2, double y2, const char *style);
  void text(double x, double y, const std::string &what, const char *style);
  void drawGrid();
  void drawRoofs();
  void drawMarks();
  /// Moves a label down until it covers none that is there already.
  double freeLabelY(double x, double y, double width);

  struct Box {
    double x, y, width;
  };
  const std::string title;
  const std::vector<Mark> marks;
  std::vector<std::pair<std::string, double>> bandwidths, peaks;
  Axis x{}, y{};
  std::vector<Box> labels;
  std::string svg;
};

Plot::Plot(std::string t, std::vector<Mark> m, const ChipLimits &chip)
    : title(std::move(t)), marks(std::move(m)) {
  const auto bandwidth = [&](const char *name, const ChipRate &rate) {
    if (rate.together.median > 0)
      bandwidths.emplace_back(fmt::format("{} {:.0f} GB/s", name, rate.together.median * 1e-9),
                              rate.together.median);
  };
  bandwidth("memory", chip.dram);
  bandwidth("L3", chip.l3);
  bandwidth("L2", chip.l2);
  for (cpu::MacUnit unit : cpu::kMacUnits)
    if (const double peak = chip.unit(unit).together.median; peak > 0)
      peaks.emplace_back(fmt::format("{} {:.0f} GMAC/s", cpu::macUnitName(unit), peak * 1e-9),
                         peak);
  double leastX = 0.1, mostX = 100, leastY = 1e9, mostY = 1e10;
  for (const Mark &mark : marks) {
    leastX = std::min(leastX, mark.intensity);
    mostX = std::max(mostX, mark.intensity);
    leastY = std::min(leastY, mark.rate);
    mostY = std::max(mostY, mark.rate);
  }
  for (const auto &[name, peak] : peaks) {
    mostY = std::max(mostY, peak);
    if (!bandwidths.empty()) // Where the slowest bandwidth meets the peak must be seen.
      mostX = std::max(mostX, 2 * peak / bandwidths.front().second);
  }
  x = axisOver(leastX, mostX, kLeft, kRight);
  y = axisOver(leastY, mostY, kBottom, kTop);
}

void Plot::line(double x1, double y1, double x2, double y2, const char *style) {
  svg += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, style);
}

void Plot::text(double tx, double ty, const std::string &what, const char *style) {
  svg +=
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", tx, ty, style, escaped(what));
}

void Plot::drawGrid() {
  for (double d = x.low; d <= x.high; ++d) {
    const double px = x.at(std::pow(10, d));
    line(px, kTop, px, kBottom, "stroke=\"#e3e3e3\"");
    text(px, kBottom + 18, fmt::format("{:g}", std::pow(10, d)), "text-anchor=\"middle\"");
  }
  for (double d = y.low; d <= y.high; ++d) {
    const double py = y.at(std::pow(10, d));
    line(kLeft, py, kRight, py, "stroke=\"#e3e3e3\"");
    text(kLeft - 8, py + 4, fmt::format("{:g}", std::pow(10, d - 9)), "text-anchor=\"end\"");
  }
  text((kLeft + kRight) / 2, kBottom + 42, "multiply-accumulates per byte",
       "text-anchor=\"middle\"");
  text(22, (kTop + kBottom) / 2, "10^9 multiply-accumulates per second",
       fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 22 {:.0f})\"",
                   (kTop + kBottom) / 2)
           .c_str());
}

void Plot::drawRoofs() {
  double highest = 0;
  for (const auto &[name, peak] : peaks)
    highest = std::max(highest, peak);
  if (highest == 0)
    highest = std::pow(10, y.high);
  const double least = std::pow(10, x.low), most = std::pow(10, x.high);
  const double floor = std::pow(10, y.low);
  double fastest = 0;
  for (const auto &[name, bandwidth] : bandwidths) {
    fastest = std::max(fastest, bandwidth);
    const double from = std::max(least, floor / bandwidth),
                 to = std::min(most, highest / bandwidth);
    if (from >= to)
      continue;
    line(x.at(from), y.at(from * bandwidth), x.at(to), y.at(to * bandwidth),
         "stroke=\"#777\" stroke-width=\"1.5\"");
    // Along the line, a little above its lower end.
    const double slope =
        -std::atan2(y.from - y.to, (x.to - x.from) / (x.high - x.low) * (y.high - y.low)) * 180 /
        3.14159265358979;
    const double lx = x.at(from) + 14,
                 ly =
                     y.at(std::pow(10, x.low + (lx - x.from) / (x.to - x.from) * (x.high - x.low)) *
                          bandwidth) -
                     6;
    text(lx, ly, name,
         fmt::format("fill=\"#555\" transform=\"rotate({:.1f} {:.1f} {:.1f})\"", slope, lx, ly)
             .c_str());
  }
  for (const auto &[name, peak] : peaks) {
    const double from = fastest > 0 ? std::clamp(peak / fastest, least, most) : least;
    line(x.at(from), y.at(peak), kRight, y.at(peak), "stroke=\"#333\" stroke-width=\"1.5\"");
    text(kRight - 4, y.at(peak) - 5, name, "fill=\"#333\" text-anchor=\"end\"");
    labels.push_back({kRight - 150, y.at(peak) - 5, 150});
  }
}

double Plot::freeLabelY(double lx, double ly, double width) {
  for (int moved = 0; moved < 40; ++moved) {
    const bool free = std::none_of(labels.begin(), labels.end(), [&](const Box &b) {
      return lx < b.x + b.width && b.x < lx + width && std::abs(ly - b.y) < 12;
    });
    if (free)
      break;
    ly += 4;
  }
  labels.push_back({lx, ly, width});
  return ly;
}

void Plot::drawMarks() {
  for (const Mark &mark : marks) {
    const double px = x.at(mark.intensity), py = y.at(mark.rate);
    const char *colour = mark.prefill ? "#b3451b" : "#1f5fa8";
    if (mark.prefill)
      svg += fmt::format("<rect class=\"prefill\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"9\" "
                         "height=\"9\" fill=\"{}\"/>\n",
                         px - 4.5, py - 4.5, colour);
    else
      svg += fmt::format("<circle class=\"decode\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" "
                         "fill=\"{}\"/>\n",
                         px, py, colour);
    const double width = 6.2 * double(mark.label.size());
    const bool left = px + 9 + width > kRight;
    const double lx = left ? px - 9 - width : px + 9;
    const double ly = freeLabelY(lx, py + 4, width);
    text(left ? px - 9 : px + 9, ly, mark.label,
         fmt::format("class=\"label\" fill=\"{}\"{}", colour, left ? " text-anchor=\"end\"" : "")
             .c_str());
  }
  const double lx = kLeft + 14;
  svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"#1f5fa8\"/>\n", lx,
                     kTop - 14);
  text(lx + 10, kTop - 10, "decode", "fill=\"#1f5fa8\"");
  svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"9\" height=\"9\" "
                     "fill=\"#b3451b\"/>\n",
                     lx + 75, kTop - 18.5);
  text(lx + 90, kTop - 10, "prefill", "fill=\"#b3451b\"");
}

std::string Plot::draw() {
  svg = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" "
                    "height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
                    "font-family=\"sans-serif\" font-size=\"12\">\n<title>{2}</title>\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
                    kWidth, kHeight, escaped(title));
  text(kLeft, 26, title, "font-size=\"15\"");
  drawGrid();
  drawRoofs();
  drawMarks();
  svg += "</svg>\n";
  return svg;
}

void addMarks(std::vector<Mark> &marks, const Ledger &ledger, bool prefill) {
  for (const LaunchKind &k : ledger.kinds())
    if (k.macs > 0 && k.bytes > 0 && k.seconds > 0)
      marks.push_back({k.name, k.macs / k.bytes, k.macs / k.seconds, prefill});
}

} // namespace

std::string rooflineSvg(const std::string &title, const Row &row, const ChipLimits &chip) {
  std::vector<Mark> marks;
  addMarks(marks, row.decode->decodeWork, false);
  addMarks(marks, row.prefill->prefillWork, true);
  return Plot(title, std::move(marks), chip).draw();
}

} // namespace tenon::tool
