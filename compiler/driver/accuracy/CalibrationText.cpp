//===- CalibrationText.cpp - The bundled text to measure on ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/accuracy/CalibrationText.h"

const std::string_view tenon::compiler::kCalibrationText = R"text(The lighthouse at Brandt Point
had not been lit for eleven years when the council sent Marta to count its windows. She took the
early boat, a notebook, and a thermos of tea that was cold before they passed the breakwater. "You
will find thirty-two," said the boatman, "and one that nobody agrees about." He would not say more.
The sea was flat and grey, and the gulls kept close to the rocks as if they expected rain.

She counted from the outside first. On the north wall there were nine windows, on the south wall
ten, and on the sides facing the mainland and the open water six and seven. That made thirty-two.
Then she went in, climbed the stair with one hand on the wall, and counted again. On the third
landing she stopped. There was light on the floor in the shape of a window, pale and slightly bent,
but no window that it could have come from.

Question: What is the difference between weather and climate?
Answer: Weather is what happens in the atmosphere over a short time, such as rain this afternoon or
wind tomorrow. Climate is the average of the weather in a place over many years. A single cold
winter does not mean that the climate has become colder, and a hot day does not prove the opposite.

How to plant a tree:
1. Dig a hole twice as wide as the roots, but no deeper.
2. Loosen the soil at the sides so that roots can enter it.
3. Set the tree upright and fill the hole with the same soil.
4. Water it well, then cover the ground with bark or leaves, leaving the trunk free.
5. Water once a week during the first summer, more often when it is hot.

def moving_average(values, width):
    """Mean of every `width` neighbouring values."""
    if width < 1 or width > len(values):
        raise ValueError("width must be between 1 and the number of values")
    total = sum(values[:width])
    result = [total / width]
    for i in range(width, len(values)):
        total += values[i] - values[i - width]
        result.append(total / width)
    return result

The function keeps a running sum, so it needs one addition and one subtraction for each step and its
cost does not depend on the width. For the values 2, 4, 6, 8 and a width of 2 it returns 3, 5 and 7.

User: I bought three notebooks for 4 euros each and a pen for 2 euros. I paid with a 20 euro note.
How much change do I get?
Assistant: Three notebooks cost 3 times 4, which is 12 euros. Together with the pen that is 14
euros. From 20 euros you get 6 euros back.

The heart pumps blood through two circuits. The right side sends it to the lungs, where it gives off
carbon dioxide and takes up oxygen; the left side sends it to the rest of the body. In an adult at
rest the heart beats about 70 times a minute and moves roughly five litres of blood in that time.
During hard exercise it can move four or five times as much.

Dear Mr. Okafor,
thank you for your letter of 14 March. We have looked at the invoice again, and you are right: the
delivery was charged twice. We will return the amount of 38.50 to your account within ten days. We
are sorry for the trouble and hope that you will order from us again.
Yours sincerely, Elena Brandt

Am Abend ging sie noch einmal an den Hafen. Das Wasser war still, und in den Fenstern der
alten Speicher spiegelten sich die Lichter der Stadt. Le lendemain matin, il faisait beau et la mer
avait changé de couleur.

<table><tr><th>City</th><th>Population</th></tr><tr><td>Lisbon</td><td>545,000</td></tr></table>
{"name": "sensor-7", "unit": "celsius", "readings": [21.5, 21.7, 22.0], "valid": true}

A compiler reads a program in one language and writes an equivalent program in another. Most of its
work lies between the two: it builds a representation of what the program means, improves it step by
step, and only at the end decides which instructions the machine shall execute. The improvements
must not change what the program does. That is easy to say and hard to prove, which is why compilers
are tested against programs whose results are known.
)text";
