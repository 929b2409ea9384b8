// Pictures as SVG text: what every drawing of the tool is made with.
#pragma once

#include <string>
#include <string_view>

namespace monza::tool {

/// Text that is safe in XML and HTML, in quoted attributes too. Names come from strangers' models: markup is escaped,
/// and bytes that are no UTF-8, or control characters, become U+FFFD.
std::string escape_markup(std::string_view text);

/// At most `most` characters; longer text keeps its begin and end around an ellipsis. Whole UTF-8 characters.
std::string shortened(std::string_view text, std::size_t most);

/// Collects elements; str() is a whole SVG document that stands in a file or inside HTML.
class Svg {
 public:
  Svg(double width, double height) : width_(width), height_(height) {}
  double width() const { return width_; }
  double height() const { return height_; }

  /// `style` is what stands in the element's style attribute; it is not escaped. `title` is shown by the mouse.
  void rect(double x, double y, double w, double h, std::string_view style, std::string_view title = {},
            double radius = 0);
  void line(double x1, double y1, double x2, double y2, std::string_view style);
  /// A path in SVG's own words ("M0 0L1 1").
  void path(std::string_view d, std::string_view style);
  void circle(double x, double y, double radius, std::string_view style, std::string_view title = {});
  /// `anchor`: start, middle or end. Escapes the text.
  void text(double x, double y, std::string_view text, std::string_view style = {}, const char* anchor = "start");
  /// What is drawn until end_group() belongs together, and shows `title` under the mouse. `name` is its class.
  void begin_group(std::string_view name, std::string_view title);
  void end_group() { body_ += "</g>\n"; }
  std::string str() const;

 private:
  double width_, height_;
  std::string body_;
};

/// Round values for the ticks of an axis from 0 to at least `most`: about `count` of them.
double tick_step(double most, int count);

/// A colour of the palette: by number, or one that is the same for the same key. "#9ecae9".
std::string colour_at(std::size_t number);
std::string colour_of(std::string_view key);

/// The last part of a path: what a picture is titled with.
std::string file_name(const std::string& path);

}  // namespace monza::tool
